"""The Prometheus text format: metrics found by name and labels."""

from __future__ import annotations

import re

from shmlimit.usage.document import ABSENT
from shmlimit.usage.reading import UsageError

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\\n]|\\["\\n])*)"[ \t]*')
_ESCAPE = re.compile(r"\\(.)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")

MAX_DIGITS = 64


def _read_series(text: str) -> tuple[str, dict[str, str], str] | None:
    """Split 'name{label="value"} rest'; None when it is not of that form."""
    name = _NAME.match(text)
    if name is None:
        return None
    position = name.end()
    labels: dict[str, str] = {}
    if text[position : position + 1] != "{":
        return name[0], labels, text[position:]
    position += 1
    while (label := _LABEL.match(text, position)) is not None:
        if label[1] in labels:
            return None
        labels[label[1]] = _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], label[2])
        position = label.end()
        if text[position : position + 1] != ",":
            break
        position += 1
    rest = text[position:].lstrip(" \t")
    return (name[0], labels, rest[1:]) if rest.startswith("}") else None


class MetricsDocument:
    """An answer in the Prometheus text format, whose fields are metric names with label matchers.

    Only lines of a metric that is asked for are read closely; the rest of the page is not ours to judge.

    Args:
        body: The answer's body.

    Raises:
        UsageError: It is not text.
    """

    def __init__(self, body: bytes) -> None:
        try:
            self._lines: list[str] | None = body.decode().split("\n")
        except UnicodeDecodeError:
            self._lines = None
        if self._lines is None:
            raise UsageError("the answer is not text in the Prometheus format")

    @staticmethod
    def check(locator: str) -> None:
        """Raise ValueError unless the locator is a metric name with optional matchers, without blocking."""
        series = _read_series(locator)
        if series is None or series[2]:
            raise ValueError("expected a metric name, as 'name' or 'name{label=\"value\"}'")

    @staticmethod
    def name(locator: str) -> str:
        """Return what messages call the place, without blocking."""
        return f"metric {locator}"

    def find(self, locator: str) -> object:
        """Return the sum of the series that match, or ABSENT when there is none, without blocking.

        Raises:
            UsageError: A line of the metric cannot be read, or its value is not a number from 0 up.
        """
        name, matchers, _ = _read_series(locator) or (locator, {}, "")
        values = [
            self._value(rest, locator)
            for labels, rest in self._series(name, locator)
            if all(labels.get(label, "") == value for label, value in matchers.items())
        ]
        return sum(values) if values else ABSENT

    def _series(self, name: str, locator: str) -> list[tuple[dict[str, str], str]]:
        found = []
        for line in self._lines or ():
            text = line.strip(" \t\r")
            start = _NAME.match(text)
            if start is None or start[0] != name:
                continue
            series = _read_series(text)
            if series is None:
                raise UsageError(f"{self.name(locator)} is on a line that is not in the Prometheus format")
            found.append((series[1], series[2]))
        return found

    def _value(self, rest: str, locator: str) -> float:
        words = rest.split()
        well_formed = 1 <= len(words) <= 2 and (len(words) == 1 or _TIME.fullmatch(words[1]))
        # A negative series is refused before the sum can hide it.
        if well_formed and len(words[0]) <= MAX_DIGITS and _NUMBER.fullmatch(words[0]) and float(words[0]) >= 0:
            return float(words[0])
        raise UsageError(f"{self.name(locator)} is not a finite number of at least 0")
