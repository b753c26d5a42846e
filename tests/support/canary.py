"""A key that is there to be looked for, and the search for it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

PIECE = 8
"""Characters in a row that count as a piece of a key."""


@dataclass(frozen=True)
class Canary:
    """A key that stands nowhere by chance.

    Attributes:
        key: The key itself.
        user: Who it belongs to where it is presented as a password.
    """

    key: str
    user: str = "finch"

    @property
    def password(self) -> str:
        """User and key, as basic authentication wants them."""
        return f"{self.user}:{self.key}"

    def forms(self) -> dict[str, str]:
        """The texts that the key travels as, by what one calls them."""
        return {
            "as it is": self.key,
            "percent-encoded": quote(self.key, safe=""),
            "in base64": base64.b64encode(self.key.encode()).decode(),
            "in basic authentication": base64.b64encode(self.password.encode()).decode(),
        }

    def found_in(self, content: str | bytes) -> list[str]:
        """What of the key the content holds, each as a line for people; any 8 characters in a row are too many."""
        sought = content if isinstance(content, bytes) else content.encode(errors="surrogateescape")
        found = []
        for called, form in self.forms().items():
            pieces = [form[start : start + PIECE] for start in range(len(form) - PIECE + 1)]
            seen = [piece for piece in pieces if piece.encode() in sought]
            if seen:
                whole = form.encode() in sought
                found.append(
                    f"the key {called}" if whole else f"{len(seen)} pieces of the key {called}, as {seen[0]!r}"
                )
        return found
