"""Checks of the arguments that describe an HTTP source; each error names the value and what is allowed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shmlimit.usage.fields import check_locator

if TYPE_CHECKING:
    from shmlimit.usage.document import Format

_MAX_SECONDS = 3600.0
_MAX_LOCATORS = 16


def shown(value: object) -> str:
    """Return a value as one short line of a message, without blocking."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:
        # A whole number can have more digits than Python agrees to write out.
        return f"a huge {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_choice(argument: str, value: object, choices: tuple[str, ...]) -> Any:
    """Return a value that is one of the texts allowed.

    Raises:
        TypeError: It is no text.
        ValueError: It is another text.
    """
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{argument} is {shown(value)}: expected {expected}")
    return value


def _check_number(argument: str, value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{argument} is {shown(value)} ({type(value).__name__}): expected {what}")
    return value


def check_seconds(argument: str, value: object, *, positive: bool) -> float:
    """Return a duration of at most an hour; 0 is allowed unless *positive*.

    Raises:
        TypeError: It is no number, or a boolean.
        ValueError: It is out of range or NaN.
    """
    what = f"seconds as a number {'above 0 and at most' if positive else 'from 0 to'} {_MAX_SECONDS:g}"
    seconds = _check_number(argument, value, what)
    if not 0 <= seconds <= _MAX_SECONDS or (positive and seconds == 0):
        raise ValueError(f"{argument} is {shown(value)}: expected {what}")
    return float(seconds)


def _check_list(argument: str, value: object, what: str) -> tuple[object, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{argument} is {shown(value)} ({type(value).__name__}): expected a list of {what}")
    return tuple(value)


def check_in_flight(value: object, answer_format: Format) -> tuple[str, ...]:
    """Return the locators of the count.

    Raises:
        TypeError: It is neither a locator nor a list of them.
        ValueError: There are none or too many, or one is malformed.
    """
    locators = (value,) if isinstance(value, str) else _check_list("in_flight", value, "locators (or one)")
    if not 1 <= len(locators) <= _MAX_LOCATORS:
        raise ValueError(f"in_flight has {len(locators)} locators: expected 1 to {_MAX_LOCATORS}")
    for locator in locators:
        check_locator("in_flight", locator.removeprefix("-") if isinstance(locator, str) else locator, answer_format)
    if all(str(locator).startswith("-") for locator in locators):
        raise ValueError(f"in_flight is {shown(value)}: expected a locator without a minus to subtract the others from")
    return tuple(str(locator) for locator in locators)


def check_optional_locator(argument: str, value: object, answer_format: Format) -> str | None:
    """Return a locator, or None for none.

    Raises:
        TypeError: It is no text.
        ValueError: It is malformed.
    """
    return None if value is None else check_locator(argument, value, answer_format)


def check_figure(argument: str, value: object, answer_format: Format) -> str | float | None:
    """Return a locator or a constant, or None for none.

    Raises:
        TypeError: It is neither text nor a number, or a boolean.
        ValueError: The locator is malformed, or the number negative or not finite.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return check_locator(argument, value, answer_format)
    what = "a locator or a number from 0 to 1e9"
    number = _check_number(argument, value, what)
    if not 0 <= number <= 1e9 or math.isnan(number):
        raise ValueError(f"{argument} is {shown(value)}: expected {what}")
    return number


def check_reasons(value: object) -> tuple[str, ...]:
    """Return the beginnings of soft reasons.

    Raises:
        TypeError: It is no list of texts.
        ValueError: One is empty.
    """
    reasons: list[str] = []
    for reason in _check_list("soft_reasons", value, "beginnings of reasons, as ['rate_limit']"):
        if not isinstance(reason, str):
            raise TypeError(f"soft_reasons holds {shown(reason)} ({type(reason).__name__}): expected text")
        if not reason:
            raise ValueError("soft_reasons holds '', with which every reason begins: leave it out")
        reasons.append(reason)
    return tuple(reasons)


def check_statuses(value: object) -> tuple[int, ...]:
    """Return the HTTP statuses that mean a block.

    Raises:
        TypeError: It is no list of whole numbers.
        ValueError: One is not the status of a refusal.
    """
    what = "HTTP statuses from 400 to 599, as [403]"
    statuses: list[int] = []
    for status in _check_list("blocked_status", value, what):
        if isinstance(status, bool) or not isinstance(status, int):
            raise TypeError(f"blocked_status holds {shown(status)} ({type(status).__name__}): expected {what}")
        if not 400 <= status <= 599:
            raise ValueError(f"blocked_status holds {shown(status)}: expected {what}")
        statuses.append(status)
    return tuple(statuses)


def check_pattern(argument: str, value: object) -> str | None:
    """Return a regular expression as text, or None for none.

    Raises:
        TypeError: It is no text.
        ValueError: It is no regular expression.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{argument} is {shown(value)} ({type(value).__name__}): expected a regular expression as text")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{argument} is {shown(value)}: {error}") from None
    return value


def check_path(argument: str, value: object) -> str | None:
    """Return a path made absolute, since the process that reads the file may run elsewhere; None for none.

    Raises:
        TypeError: It is no path.
        ValueError: It is empty or not printable.
    """
    if value is None:
        return None
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise TypeError(f"{argument} is {shown(value)} ({type(value).__name__}): expected the path of a file")
    if not path or not path.isprintable():
        raise ValueError(f"{argument} is {shown(path)}: expected the path of a file")
    return str(Path(path).expanduser().absolute())
