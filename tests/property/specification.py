"""The limiter as it is promised to several processes: what each operation may answer at the instant it takes effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.property.history import Event

Name = tuple[int, int]


@dataclass(frozen=True)
class Waiter:
    name: Name
    weight: int
    priority: int


@dataclass(frozen=True)
class State:
    """What can be told apart from outside: the limit, what is held by whom, and the queue in its order."""

    limit: int
    held: frozenset[tuple[Name, int]] = frozenset()
    queue: tuple[Waiter, ...] = ()

    def after(self, event: Event, *, is_owed: bool = False) -> State | None:
        """The state after the event; None if it cannot have answered that now.

        Args:
            event: What takes effect.
            is_owed: Somebody who made room may not have granted it yet.
        """
        if event.operation.kind == "acquire":
            return self._entered(event) if event.is_entry else self._concluded(event, is_owed)
        return getattr(self, f"_{event.operation.kind}")(event)  # type: ignore[no-any-return]

    # ---- One method for each kind of event.

    def _try(self, event: Event) -> State | None:
        weight = event.operation.argument or 0
        match event.operation.answer:
            case "held":
                return self._with(event.name, weight) if self._is_free_for(weight) else None
            case "never":
                return self if self._is_too_heavy(weight) else None
            case _:
                return None if self._is_free_for(weight) or self._is_too_heavy(weight) else self

    def _entered(self, event: Event) -> State | None:
        weight, answer = event.operation.argument or 0, event.operation.answer
        if self._is_too_heavy(weight):
            return self if answer == "never" else None
        if self._is_free_for(weight):
            return self._with(event.name, weight) if answer == "held" else None
        place = sum(waiter.priority >= event.operation.priority for waiter in self.queue)
        waiter = Waiter(event.name, weight, event.operation.priority)
        return replace(self, queue=(*self.queue[:place], waiter, *self.queue[place:]))

    def _concluded(self, event: Event, is_owed: bool) -> State | None:
        waiter = next((waiter for waiter in self.queue if waiter.name == event.name), None)
        if waiter is None:  # at once
            return self
        left = replace(self, queue=tuple(other for other in self.queue if other != waiter))
        match event.operation.answer:
            case "held":
                return left._with(waiter.name, waiter.weight) if self._is_next(waiter) else None
            case "never":
                return left if self._is_too_heavy(waiter.weight) else None
            case _:
                return left if is_owed or not self._is_next(waiter) else None

    def _release(self, event: Event) -> State | None:
        name = (event.operation.process, event.operation.argument)
        left = frozenset(one for one in self.held if one[0] != name)
        return replace(self, held=left) if event.operation.answer is (left != self.held) else None

    def _set_limit(self, event: Event) -> State:
        return replace(self, limit=event.operation.argument or 0)

    def _limit(self, event: Event) -> State | None:
        return self if event.operation.answer == self.limit else None

    # ---- The rules.

    @property
    def _in_use(self) -> int:
        return sum(weight for _, weight in self.held)

    def _is_too_heavy(self, weight: int) -> bool:
        return 0 < self.limit < weight

    def _fits(self, weight: int) -> bool:
        return self._in_use + weight <= self.limit

    def _is_free_for(self, weight: int) -> bool:
        """For a newcomer: it overtakes nobody."""
        return not self.queue and self._fits(weight)

    def _is_next(self, waiter: Waiter) -> bool:
        """Who is too heavy for the limit blocks nobody."""
        first = next((one for one in self.queue if not self._is_too_heavy(one.weight)), None)
        return waiter == first and self._fits(waiter.weight)

    def _with(self, name: Name, weight: int) -> State:
        return replace(self, held=self.held | {(name, weight)})
