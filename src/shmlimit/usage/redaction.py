"""Taking a secret out of text from outside: whole, in every form that it travelled in, and in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 8
"""Characters of a secret in a row that count as a piece of it: an upstream that masks a key shows fewer."""

_INSTEAD = "[secret]"


def redact(text: str, forms: Iterable[str]) -> str:
    """Return the text without the secret, without blocking. To be done before a text is cut to a length, not after.

    Args:
        text: What the upstream said.
        forms: Every form of the secret; one that is shorter than a piece is taken out where it stands whole.
    """
    shown, position = [], 0
    for start, end in _runs(text, {gram for form in forms for gram in _grams(form)}):
        shown += [text[position:start], _INSTEAD]
        position = end
    return "".join([*shown, text[position:]])


def _grams(form: str) -> Iterator[str]:
    for start in range(max(1, len(form) - PIECE + 1)):
        yield form[start : start + PIECE]


def _runs(text: str, grams: set[str]) -> Iterator[tuple[int, int]]:
    """Where the text holds any of the grams; those that touch or overlap are one run."""
    lengths = {len(gram) for gram in grams if gram}
    begun = end = -1
    for position in range(len(text)):
        longest = max((n for n in lengths if text[position : position + n] in grams), default=0)
        if not longest:
            continue
        if position > end:
            if begun >= 0:
                yield begun, end
            begun = position
        end = max(end, position + longest)
    if begun >= 0:
        yield begun, end
