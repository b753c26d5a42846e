"""Whether a history can be explained: by an order of its events that the specification allows and the clock does too.

The search of Wing and Gong, with Lowe's memory of what was tried: the same events taken effect and the same state, seen
before, need not be seen again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.property.history import Event, History
    from tests.property.specification import State


def linearization(events: History, state: State) -> list[Event] | None:
    """An order that explains the history; None: there is none."""
    processes = sorted(events)
    order: list[Event] = []
    seen: set[tuple[tuple[int, ...], State]] = set()

    def is_owed(own: int, event: Event, done: tuple[int, ...]) -> bool:
        """Whether somebody who made room may be in the middle of granting it."""
        return any(
            earlier.operation.makes_room and earlier.operation.ended >= event.earliest
            for index, process in enumerate(processes)
            for earlier in events[process][: done[index]]
            if index != own
        )

    def explain(done: tuple[int, ...], state: State) -> bool:
        """Whether the rest can follow; `done` is how many events of each process have taken effect."""
        if (done, state) in seen:
            return False
        seen.add((done, state))
        waiting = {
            index: events[process][done[index]]
            for index, process in enumerate(processes)
            if done[index] < len(events[process])
        }
        if not waiting:
            return True
        first_end = min(event.latest for event in waiting.values())
        for index, event in waiting.items():
            if event.earliest > first_end:
                continue
            after = state.after(event, is_owed=is_owed(index, event, done))
            if after is None:
                continue
            order.append(event)
            if explain((*done[:index], done[index] + 1, *done[index + 1 :]), after):
                return True
            order.pop()
        return False

    return order if explain(tuple(0 for _ in processes), state) else None
