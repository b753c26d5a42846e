"""The first event of a stream of server-sent events, whose data is JSON."""

from __future__ import annotations

import re

from shmlimit.usage.pointer import JsonDocument
from shmlimit.usage.reading import UsageError

_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


def first_event(body: bytes | bytearray) -> bytes | None:
    """Return the data of the first event that is complete and has any, or None, without blocking."""
    data: list[bytes] = []
    # What follows the last end of a line may go on.
    for line in _END_OF_LINE.split(body)[:-1]:
        if not line and data:
            return b"\n".join(data)
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    return None


def has_event(body: bytes | bytearray) -> bool:
    """Return whether nothing more has to be read, without blocking."""
    return first_event(body) is not None


class EventsDocument(JsonDocument):
    """The JSON in the first event of what was read of a stream.

    Args:
        body: What was read.

    Raises:
        UsageError: There is no event in it, or its data is no JSON.
    """

    def __init__(self, body: bytes) -> None:
        event = first_event(body)
        if event is None:
            raise UsageError("the answer holds no complete server-sent event with data")
        super().__init__(event)
