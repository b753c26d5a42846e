"""Sources as configuration: what may cross into the poller's process, and back into a source there."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from shmlimit.usage.argument import shown
from shmlimit.usage.http import HttpUsage
from shmlimit.usage.reading import MANNERS, Usage, UsageError, UsageSource

_TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def _check_target(target: object) -> str:
    if not isinstance(target, str):
        raise TypeError(f"a Python source is named as text, 'module:function', not {type(target).__name__}")
    if _TARGET.fullmatch(target) is None:
        raise ValueError(f"{target[:200]!r} does not name a Python source: expected 'module:function'")
    return target


class PythonUsage:
    """A source of usage in Python, named as "module:function"; the module is imported here.

    What the function or object says of itself in attributes named as in `UsageSource` is said by this source too.

    Args:
        target: Names a function that returns Usage or None, an object with get_usage, or a class of such
            objects, of which one is made.

    Raises:
        TypeError: The target is no text.
        ValueError: The target is not of the form "module:function".
        UsageError: There is no such module or attribute, or it is no source.
    """

    def __init__(self, target: str) -> None:
        self._target = _check_target(target)
        self._source: object = self._import()
        self._ask = self._find_question()
        vars(self).update({name: getattr(self._source, name) for name in MANNERS if hasattr(self._source, name)})

    def _import(self) -> object:
        module, _, path = self._target.partition(":")
        try:
            found: object = importlib.import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            raise UsageError(f"the source {self._target!r} cannot be imported: {error}") from error
        if isinstance(found, type):
            return found() if hasattr(found, "get_usage") else found
        return found

    def _find_question(self) -> Callable[[], object]:
        if not isinstance(self._source, type):
            if isinstance(self._source, UsageSource):
                return self._source.get_usage
            if callable(self._source):
                return self._source
        raise UsageError(
            f"the source {self._target!r} is {shown(self._source)}: expected a function that returns Usage "
            "or None, or an object or class with get_usage()"
        )

    def get_usage(self) -> Usage | None:
        """Ask the function or object once, blocking for as long as it does.

        Raises:
            UsageError: It returned something else than Usage or None.
            Exception: Whatever it raises itself.
        """
        usage = self._ask()
        if usage is None or isinstance(usage, Usage):
            return usage
        raise UsageError(f"the source {self._target!r} returned {type(usage).__name__}, expected Usage or None")

    def to_config(self) -> dict[str, Any]:
        """Return what makes an equal source with `load_source`, as JSON values."""
        return {"kind": "python", "target": self._target}

    def close(self) -> None:
        """Close the object behind it if it can be closed."""
        close = getattr(self._source, "close", None)
        if close is not None and isinstance(self._source, UsageSource):
            close()

    def __repr__(self) -> str:
        """Show the target."""
        return f"PythonUsage({self._target!r})"


def load_source(config: Mapping[str, Any]) -> HttpUsage | PythonUsage:
    """Make a source from its configuration, without blocking but for the import of a Python source's module.

    Args:
        config: What `describe` or a source's `to_config` gave: {"kind": "http", "url": ..., ...} or
            {"kind": "python", "target": "module:function"}.

    Raises:
        TypeError: The configuration or one of its settings has the wrong type.
        ValueError: A setting is unknown, missing or not allowed.
        UsageError: A Python source cannot be imported or is no source.
    """
    if not isinstance(config, Mapping):
        raise TypeError(f"a source's configuration must be a dict, not {type(config).__name__}")
    kind = config.get("kind")
    if kind == "http":
        return HttpUsage.from_config(config)
    if kind != "python":
        raise ValueError(f"a source's kind is {shown(kind)}: expected 'http' or 'python'")
    if set(config) != {"kind", "target"}:
        found = ", ".join(sorted(str(name) for name in config if name != "kind"))
        raise ValueError(f"a Python source has the setting 'target' alone, not: {found or 'nothing'}")
    return PythonUsage(config["target"])


def describe(source: object) -> dict[str, Any]:
    """Turn a source into configuration that can cross into the poller's process, without blocking.

    Args:
        source: An `HttpUsage`, or the text "module:function".

    Raises:
        TypeError: It is a live object, which cannot cross.
        ValueError: It is a text of another form.
    """
    if isinstance(source, HttpUsage):
        return source.to_config()
    if isinstance(source, str):
        return {"kind": "python", "target": _check_target(source)}
    target = f"{getattr(source, '__module__', None)}:{getattr(source, '__qualname__', None)}"
    importable = _TARGET.fullmatch(target) is not None and not target.startswith("__main__:")
    example = target if importable and "None" not in target.split(":") else "module:function"
    raise TypeError(
        f"a usage source must be an HttpUsage or the text 'module:function', not {type(source).__name__}: "
        f"the poller is a process of its own, which no live object can reach; name it, as {example!r}"
    )
