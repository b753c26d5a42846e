"""Text from elsewhere (labels, program names, arguments), made harmless for a terminal."""

from __future__ import annotations

_MESSAGE_MAX = 1000


def plain(text: str) -> str:
    """Return the text with everything that is not printable escaped: a label must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def one_line(message: str) -> str:
    """Return a message on one line, harmless and not endless."""
    line = plain(" ".join(message.split()))
    return line if len(line) <= _MESSAGE_MAX else f"{line[: _MESSAGE_MAX - 3]}..."
