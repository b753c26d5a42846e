"""What a refusal is about: only one for concurrency says anything of the sessions in flight.

A rule is a dict: "is" names the kind; "status", "header" (its presence, or with "value" a pattern found in it) and
"body" (a pattern found in it) are conditions, all of which must hold. The first rule that holds decides. Case does not
count.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Refusal(Enum):
    """What the upstream refused a call for."""

    CONCURRENCY = "concurrency"
    """Too many sessions at once: the limiter is told."""
    RATE = "rate"
    """Too many calls or tokens in a time."""
    OVERLOAD = "overload"
    """The upstream has too much to do, from whomever."""
    EDGE = "edge"
    """Something before the upstream refused it."""
    ACCOUNT = "account"
    """The account serves nothing for now: suspended, unpaid, out of credit."""


# How much of a refusal's body is looked at: those that were seen are below 1 KiB.
BODY_MAX = 65536
STATUSES = frozenset({402, 403, 429, 503, 529})
"""Answers with another status are no refusals."""

# For providers of whom nothing is known. A 429 without a word about concurrency is taken for a rate limit: counted as
# concurrency it would lower the limit for everybody, and most 429s of most providers are rate limits.
GENERIC_RULES: tuple[dict[str, Any], ...] = (
    {"header": "cf-mitigated", "is": "edge"},
    {"status": 402, "is": "account"},
    {"status": 503, "is": "overload"},
    {"status": 529, "is": "overload"},
    {
        "status": 429,
        "body": r"concurren|parallel (request|session|job)s?|simultaneous|in[- ]flight",
        "is": "concurrency",
    },
    {"status": 429, "body": r"overload|server (is )?busy|try again shortly|at capacity", "is": "overload"},
    {"status": 429, "is": "rate"},
)
_KEYS = frozenset({"is", "status", "header", "value", "body"})


class Classifier:
    """Rules, checked and ready to be asked.

    Args:
        rules: The provider's, in the order in which they are tried; what none of them knows is no refusal.

    Raises:
        ValueError: A rule has an unknown key or kind, or a pattern that is none.
    """

    def __init__(self, rules: Sequence[Mapping[str, Any]] = GENERIC_RULES) -> None:
        self._rules = [_Rule(rule) for rule in rules]

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return what an answer refuses the call for, without blocking; None: it is no refusal."""
        if status not in STATUSES:
            return None
        text = body[:BODY_MAX].decode("utf-8", "replace")
        return next((rule.kind for rule in self._rules if rule.holds(status, headers, text)), None)


class _Rule:
    def __init__(self, rule: Mapping[str, Any]) -> None:
        if unknown := sorted(set(rule) - _KEYS):
            raise ValueError(f"unknown key {unknown[0]!r} in a refusal rule: known are {', '.join(sorted(_KEYS))}")
        try:
            self.kind = Refusal(rule.get("is"))
            self._value = re.compile(rule.get("value", ""), re.IGNORECASE)
            self._body = re.compile(rule.get("body", ""), re.IGNORECASE)
        except (ValueError, re.error) as error:
            raise ValueError(f"refusal rule {dict(rule)!r}: {error}") from None
        self._status = rule.get("status")
        self._header = rule.get("header")

    def holds(self, status: int, headers: Mapping[str, str], body: str) -> bool:
        if self._status is not None and status != self._status:
            return False
        if self._header is not None:
            value = headers.get(self._header)
            if value is None or not self._value.search(value):
                return False
        return self._body.search(body) is not None
