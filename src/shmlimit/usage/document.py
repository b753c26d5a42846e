"""What an answer has to offer whatever its format: a value, or nothing, for each locator."""

from __future__ import annotations

import enum
from typing import Final, Literal, Protocol

Format = Literal["json", "prometheus", "headers", "events"]


class _Absent(enum.Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""What `find` gives for a place that is not there; different from a null that is there."""


class Document(Protocol):
    """One answer of an upstream, read but not yet understood."""

    @staticmethod
    def name(locator: str) -> str:
        """Return what messages call the place, without blocking."""
        ...

    def find(self, locator: str) -> object:
        """Return the value at a locator, or ABSENT, without blocking.

        Raises:
            UsageError: The place is there but ambiguous or malformed.
        """
        ...
