"""What processes did at the same time: operations with the instants before and after each, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Operation:
    """One call. Weights and limits are in thousandths.

    Attributes:
        process: Who called; it called its operations one after another.
        kind: "try", "acquire", "release", "set_limit" or "limit".
        argument: A weight; the operation whose permit is released, by its index among the process's; a limit; None.
        answer: "held", "none", "timeout" or "never"; of a release whether it was held; of "limit" the limit.
        begun: No later than the call took any effect.
        ended: No earlier than it had all its effect.
        priority: Of an acquire.
        timeout: Of an acquire: how long it waits before it gives up.
        queued: Of an acquire: no earlier than it was in the queue; None: it never told.
    """

    process: int
    kind: str
    argument: int | None
    answer: Any
    begun: int
    ended: int
    priority: int = 0
    timeout: int = 0
    queued: int | None = None

    @property
    def makes_room(self) -> bool:
        """Whether its caller owes a grant to those who wait, before it ends."""
        return self.kind in ("release", "set_limit") or self.answer == "timeout"


@dataclass(frozen=True)
class Event:
    """An instant at which an operation takes effect. An acquire has two: its entry, and its end in the queue's eyes.

    Attributes:
        operation: Whose effect it is.
        name: Of the operation: its process, and its index there.
        is_entry: The first of an acquire.
    """

    operation: Operation
    name: tuple[int, int]
    is_entry: bool = False

    @property
    def earliest(self) -> int:
        """Nobody gives up before the time is over."""
        gives_up = self.operation.answer == "timeout" and not self.is_entry
        return self.operation.begun + (self.operation.timeout if gives_up else 0)

    @property
    def latest(self) -> int:
        queued = self.operation.queued
        return queued if self.is_entry and queued is not None else self.operation.ended


History = dict[int, list[Event]]


def history(operations: Sequence[Operation]) -> History:
    """Each process's events, in its order."""
    events: History = {}
    for operation in operations:
        own = events.setdefault(operation.process, [])
        name = (operation.process, sum(not event.is_entry for event in own))
        if operation.kind == "acquire":
            own.append(Event(operation, name, is_entry=True))
        own.append(Event(operation, name))
    return events


def told(operations: Sequence[Operation]) -> str:
    """The history as text: the instants since its first in nanoseconds, then what was called and answered."""
    first = min((operation.begun for operation in operations), default=0)
    lines = []
    for one in sorted(operations, key=lambda one: one.begun):
        line = f"{one.begun - first:>12} {one.ended - first:>12}  {one.process}: "
        line += f"{one.kind}({one.argument}) -> {one.answer}"
        if one.kind == "acquire":
            line += f"  (priority {one.priority}, timeout {one.timeout}"
            line += f", queued by {one.queued - first})" if one.queued else ")"
        lines.append(line)
    return "\n".join(lines)
