"""JSON pointers (RFC 6901) into strictly read JSON."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from shmlimit.usage.document import ABSENT
from shmlimit.usage.reading import UsageError

MAX_DEPTH = 32
"""Levels of nesting; a usage answer has four, and a deep one only serves to exhaust the reader's stack."""

MAX_DIGITS = 64
"""Characters of one number; converting a huge integer takes time that grows with its square."""

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def _refuse(what: str) -> NoReturn:
    raise ValueError(what)


def _integer(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _refuse("number")


def _fraction(text: str) -> float:
    number = float(text) if len(text) <= MAX_DIGITS else _refuse("number")
    return number if abs(number) != float("inf") else _refuse("number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _refuse("duplicate key")


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif character in "]}":
            depth -= 1
    return False


class JsonDocument:
    """An answer whose fields are found by JSON pointers.

    Args:
        body: The answer's body.

    Raises:
        UsageError: It is no JSON object or array. A key that occurs twice, NaN or Infinity, a number of more
            than 64 characters and nesting deeper than 32 levels count as invalid: readers disagree about
            them or choke on them.
    """

    def __init__(self, body: bytes) -> None:
        try:
            text = body.decode()
            if _is_deep(text):
                _refuse("depth")
            self._root = json.loads(
                text,
                parse_int=_integer,
                parse_float=_fraction,
                parse_constant=_refuse,
                object_pairs_hook=_object,
            )
        except ValueError:
            # A decoder's own message may quote the answer, and an answer may quote the key it was asked with.
            self._root = None
        if not isinstance(self._root, dict | list):
            raise UsageError("the answer is not valid JSON, or not an object or array")

    @staticmethod
    def check(locator: str) -> None:
        """Raise ValueError unless the locator is a JSON pointer to a field, without blocking."""
        if _POINTER.fullmatch(locator) is None:
            raise ValueError("expected a JSON pointer, as '/usage/concurrent_sessions'")

    @staticmethod
    def name(locator: str) -> str:
        """Return what messages call the place, without blocking."""
        return f"field {locator}"

    def find(self, locator: str) -> object:
        """Return the value a pointer leads to, or ABSENT, without blocking."""
        value = self._root
        for step in locator.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict):
                value = value.get(key, ABSENT)
            elif isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
                value = value[int(key)]
            else:
                return ABSENT
        return value
