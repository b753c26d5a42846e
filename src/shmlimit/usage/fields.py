"""Which fields of an answer mean what: locators to a reading."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shmlimit.usage.document import ABSENT, Document, Format
from shmlimit.usage.events import EventsDocument
from shmlimit.usage.exposition import MetricsDocument
from shmlimit.usage.moment import find_timestamps, parse_timestamp
from shmlimit.usage.pointer import JsonDocument
from shmlimit.usage.reading import UpstreamBlocked, Usage, UsageError
from shmlimit.usage.response_headers import HeadersDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Redact = Callable[[str], str]

_DECIMAL = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_MAX_REASON = 200

_FORMATS: Mapping[Format, type[JsonDocument | MetricsDocument | HeadersDocument]] = {
    "json": JsonDocument,
    "prometheus": MetricsDocument,
    "headers": HeadersDocument,
    "events": EventsDocument,
}


def check_locator(argument: str, locator: object, answer_format: Format) -> str:
    """Return a locator that is well-formed for the format, without blocking.

    Raises:
        TypeError: It is no text.
        ValueError: It is not a locator of this format.
    """
    if not isinstance(locator, str):
        raise TypeError(f"{argument} must be a locator as text, not {type(locator).__name__}")
    try:
        _FORMATS[answer_format].check(locator)
    except ValueError as error:
        raise ValueError(f"{argument} is {locator!r:.200}: {error} (format={answer_format!r})") from None
    return locator


def _number(value: object, name: str) -> float:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = {bool: "a boolean", str: "text", dict: "an object", list: "an array"}.get(type(value), "null")
        raise UsageError(f"{name} is {kind}, not a number")
    if not math.isfinite(value) or value < 0:
        # Six digits at most: a server may give back a key that has digits alone.
        raise UsageError(f"{name} is {value:.6g}, not a finite number of at least 0")
    return float(value)


def _moment(value: object, name: str) -> float:
    if isinstance(value, str) and (moment := parse_timestamp(value)) is not None:
        return moment
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise UsageError(f"{name} is text, but no ISO 8601 date and time")
    return _number(value, name)


def _shown_text(value: object, redact: Redact) -> str | None:
    """Text from outside, fit for one line of a terminal."""
    if not isinstance(value, str) or not value.strip():
        return None
    # Before it is cut, which might leave half a key that is no longer known for one.
    value = redact(value.strip())[:_MAX_REASON]
    return "".join(character if character.isprintable() else "?" for character in value)


@dataclass(frozen=True, slots=True)
class Fields:
    """Where in an answer each part of a reading is found.

    Attributes:
        answer_format: How the answer is read.
        in_flight: Locators of the count, to be added up; those after a "-" are subtracted.
        limit: Locator of the upstream's limit, or the limit itself, or None.
        hard_cap: The same for its hard cap.
        blocked_until: Locator of the end of a block, or None.
        blocked_reason: Locator of the reason for it, or None.
        soft_reasons: Beginnings of reasons for which *blocked_until* does not mean a block.
        degraded: Locator of a boolean, or None.
    """

    answer_format: Format
    in_flight: tuple[str, ...]
    limit: str | float | None = None
    hard_cap: str | float | None = None
    blocked_until: str | None = None
    blocked_reason: str | None = None
    soft_reasons: tuple[str, ...] = ()
    degraded: str | None = None

    def read(self, body: bytes, headers: Mapping[str, list[str]], redact: Redact) -> Usage:
        """Turn an answer into a reading, without blocking; *redact* takes the secret out of text that is passed on.

        Raises:
            UsageError: The answer cannot be read, the count is missing, or a field makes no sense.
        """
        document = self._document(body, headers)
        count = 0.0
        for term in self.in_flight:
            locator = term.removeprefix("-")
            value = document.find(locator)
            if value is ABSENT:
                raise UsageError(f"{document.name(locator)} is missing")
            number = _number(value, document.name(locator))
            count += -number if term.startswith("-") else number
        if not math.isfinite(count) or count < 0:
            raise UsageError(f"the in_flight fields make {count:.6g}, not a finite number of at least 0")
        reason = _shown_text(self._find(document, self.blocked_reason), redact)
        until = self._find(document, self.blocked_until)
        blocked_until = None
        if until is not None and self.blocked_until is not None:
            blocked_until = _moment(until, document.name(self.blocked_until))
        if reason is not None and reason.startswith(self.soft_reasons):
            blocked_until = None
        return Usage(
            concurrent_sessions=count,
            limit=self._optional_number(document, self.limit),
            hard_cap=self._optional_number(document, self.hard_cap),
            blocked_until=blocked_until,
            blocked_reason=reason,
            degraded=self._flag(self._find(document, self.degraded)),
        )

    def read_block(
        self, status: int, body: bytes | None, headers: Mapping[str, list[str]], redact: Redact
    ) -> UpstreamBlocked:
        """Find out what a refusal of the whole account says, without blocking; *redact* as in `read`.

        The status alone is the news, so nothing in the body (None: it could not be read) makes this fail.
        """
        until: list[float] = []
        reason = None
        try:
            document = self._document(body or b"", headers)
            reason = _shown_text(self._find(document, self.blocked_reason), redact)
            found = self._find(document, self.blocked_until)
            until = [] if found is None else [_moment(found, "")]
        except UsageError:
            pass
        try:
            error = JsonDocument(body or b"")
            reason = reason or _shown_text(error.find("/error/type"), redact)
            boxed = error.find("/error/boxed_until")
            if not until and boxed is not ABSENT and boxed is not None:
                until = [_moment(boxed, "")]
        except UsageError:
            pass
        # The last of several: a text that tells "since A until B" must not end the block at A.
        until = until or list(find_timestamps((body or b"").decode(errors="replace")))
        return UpstreamBlocked(
            f"blocked by the upstream (HTTP {status})" + (f": {reason}" if reason else ""),
            reason=reason or f"HTTP {status}",
            blocked_until=max(until, default=None),
        )

    def _document(self, body: bytes, headers: Mapping[str, list[str]]) -> Document:
        if self.answer_format == "headers":
            return HeadersDocument(headers)
        if self.answer_format == "events":
            return EventsDocument(body)
        return MetricsDocument(body) if self.answer_format == "prometheus" else JsonDocument(body)

    @staticmethod
    def _find(document: Document, locator: str | None) -> object:
        value = ABSENT if locator is None else document.find(locator)
        return None if value is ABSENT else value

    def _optional_number(self, document: Document, place: str | float | None) -> float | None:
        if not isinstance(place, str):
            return None if place is None else float(place)
        value = self._find(document, place)
        return None if value is None else _number(value, document.name(place))

    @staticmethod
    def _flag(value: object) -> bool | None:
        # It only informs, so an upstream that changes its type must not cost the count.
        words = {"true": True, "1": True, "false": False, "0": False}
        if isinstance(value, str):
            return words.get(value.lower())
        if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
            return bool(value)
        return None
