"""The kinds of argument: each is checked while the command line is parsed, so a wrong one changes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from shmlimit import segment, settings

if TYPE_CHECKING:
    from collections.abc import Callable

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_PRIORITY_MAX = 2**31 - 1
_WEIGHT_MIN, _WEIGHT_MAX = 0.001, 8000


# Generic for the type checker only: older versions of click cannot be subscripted.
if TYPE_CHECKING:
    _Base = click.ParamType[Any]
else:
    _Base = click.ParamType


class Kind(_Base):
    """A kind of argument.

    Args:
        name: What help calls it.
        read: Turns the text into the value; its TypeError or ValueError says what is wrong.
    """

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value of a text that was given; a default passes as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _decimal(what: str, text: str) -> float:
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a number of {what}")
    return float(text)


def _limit(text: str) -> int:
    return settings.check_limit(_whole(text))


def _limit_or_upstream(text: str) -> int | str:
    return text if text == settings.UPSTREAM else _limit(text)


def _headroom(text: str) -> int:
    return settings.check_headroom(_whole(text))


def _slots(text: str) -> int:
    return settings.check_slots(_whole(text))


def _seconds(text: str) -> float:
    value = _decimal("seconds", text)
    try:
        return settings.check_duration("it", value)
    except ValueError:
        # As it was typed: 1e999 is not what anybody would look for under the name of inf.
        raise ValueError(f"it must be from 0 to {settings.DURATION_MAX:.0f} seconds, not {text}") from None


def _slot_timeout(text: str) -> float | None:
    if text == "off":
        return None
    value = _seconds(text)
    try:
        return settings.check_slot_timeout(value)
    except ValueError:
        raise ValueError(f"it must be above 0, or `off` to turn the watchdog off, not {text}") from None


def _weight(text: str) -> float:
    value = _decimal("permits", text)
    if not _WEIGHT_MIN <= value <= _WEIGHT_MAX:
        raise ValueError(f"it must be from {_WEIGHT_MIN} to {_WEIGHT_MAX} permits, not {text}")
    return value


def _priority(text: str) -> int:
    value = _whole(text)
    if not -_PRIORITY_MAX <= value <= _PRIORITY_MAX:
        raise ValueError(f"it must be from -{_PRIORITY_MAX} to {_PRIORITY_MAX}, not {text}")
    return value


def _exit_code(text: str) -> int:
    value = _whole(text)
    if not 0 <= value <= 255:
        raise ValueError(f"it must be from 0 to 255, not {text}")
    return value


def _label(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is not UTF-8 text") from None
    return text


LIMITER_NAME = Kind("name", segment.check_name)
LIMIT = Kind("number", _limit)
LIMIT_OR_UPSTREAM = Kind("number|upstream", _limit_or_upstream)
HEADROOM = Kind("number", _headroom)
SLOTS = Kind("number", _slots)
SECONDS = Kind("seconds", _seconds)
SLOT_TIMEOUT = Kind("seconds|off", _slot_timeout)
WEIGHT = Kind("weight", _weight)
PRIORITY = Kind("number", _priority)
EXIT_CODE = Kind("code", _exit_code)
LABEL = Kind("text", _label)
