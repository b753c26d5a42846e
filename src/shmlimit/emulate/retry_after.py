"""What a refusal says in its Retry-After header."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate

LONGEST = 86_400
# More seconds than any client should believe: about three centuries.
ABSURD = "10000000000"
ALLOWED = f"a whole number of seconds from 0 to {LONGEST}, 'none', 'date', 'date:SECONDS' or 'absurd'"


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The value of a Retry-After header, or its absence."""

    kind: str
    seconds: int = 0

    @classmethod
    def parse(cls, text: str) -> RetryAfter:
        """Read the text of `--retry-after`, without blocking.

        Raises:
            ValueError: *text* is not one of the allowed forms.
        """
        if text in ("none", "absurd"):
            return cls(text)
        if text == "date":
            return cls("date", 2)
        kind, _, seconds = text.rpartition(":")
        if kind in ("", "date") and (kind or ":" not in text) and _is_seconds(seconds):
            return cls(kind or "seconds", int(seconds))
        raise ValueError(f"retry-after must be {ALLOWED}, not {text!r}")

    def header(self, wall_clock: float) -> str | None:
        """Give the header's value at *wall_clock* (epoch seconds); None means that it is left out."""
        if self.kind == "none":
            return None
        if self.kind == "absurd":
            return ABSURD
        if self.kind == "date":
            return formatdate(wall_clock + self.seconds, usegmt=True)
        return str(self.seconds)


def _is_seconds(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) <= LONGEST
