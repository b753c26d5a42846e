"""Commands as this command line wants them: imported when they are used, and no option given twice."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

from shmlimit.errors import LimiterNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping


class Command(click.Command):
    """A command that refuses an option given twice, since one of the two values would be ignored."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, without blocking.

        Raises:
            click.UsageError: The arguments are not what the command takes.
        """
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        seen: set[click.Parameter] = set()
        for parameter in order:
            if not isinstance(parameter, click.Option) or parameter.is_flag or parameter.multiple:
                continue
            if parameter in seen:
                raise click.UsageError(f"{parameter.opts[-1]} is given twice: give it once", ctx)
            seen.add(parameter)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, blocking as it does; a limiter that is not there is named as it was on the command line."""
        try:
            return super().invoke(ctx)
        except LimiterNotFound:
            name = ctx.params.get("name")
            if name is None:
                raise
            raise LimiterNotFound(
                f"there is no limiter {name!r} here: `shmlimit create {name} --limit N` creates it, "
                "`shmlimit status` lists those there are"
            ) from None


class Group(click.Group):
    """A group whose commands are named as "module:attribute" and imported when they are used.

    Args:
        name: What it is called.
        commands_at: Where each command is, and its line of help, by its name and in the order of help.
        **settings: As for click.Group.
    """

    def __init__(self, name: str | None = None, *, commands_at: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(name, **settings)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self._commands_at)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._commands_at.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in self._commands_at:
            return None
        place, _ = self._commands_at[cmd_name]
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{place} is a {type(command).__name__}, not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called for.

        Raises:
            click.UsageError: There is none of that name.
        """
        if args and not args[0].startswith("-") and args[0] not in self._commands_at:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"there is no command {args[0]!r}: the commands are {known}", ctx)
        return super().resolve_command(ctx, args)
