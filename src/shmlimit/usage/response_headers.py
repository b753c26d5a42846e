"""An answer that tells its figures in response headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shmlimit.usage.document import ABSENT
from shmlimit.usage.reading import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")


class HeadersDocument:
    """An answer whose fields are response headers.

    Args:
        headers: Every value of each header, by its name in lower case.
    """

    def __init__(self, headers: Mapping[str, list[str]]) -> None:
        self._headers = headers

    @staticmethod
    def check(locator: str) -> None:
        """Raise ValueError unless the locator is a header name, without blocking."""
        if _TOKEN.fullmatch(locator) is None:
            raise ValueError("expected a header name, as 'current-concurrent-requests'")

    @staticmethod
    def name(locator: str) -> str:
        """Return what messages call the place, without blocking."""
        return f"header {locator}"

    def find(self, locator: str) -> object:
        """Return a header's value, or ABSENT, without blocking.

        Raises:
            UsageError: The header occurs more than once, and which one counts is anyone's guess.
        """
        values = self._headers.get(locator.lower(), [])
        if len(values) > 1:
            raise UsageError(f"{self.name(locator)} occurs {len(values)} times")
        return values[0].strip() if values else ABSENT
