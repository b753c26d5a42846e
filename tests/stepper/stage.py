"""One operation of a doomed process, played again and again: to its end, or to its death at one instruction."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stepper.nursery import Nursery
    from tests.stepper.operation import Operation
    from tests.stepper.way import Arrival


class Surroundings(Protocol):
    """What is around the doomed process: the survivors."""

    name: str

    def recover(self, limit: int, *, by_reap: bool) -> None:
        """Make good what a death has left, by reaping or by other use; fail unless all is there again, and no more."""


class Stage:
    """An operation, its doomed process and the world around it. All trials leave the world as they found it."""

    def __init__(self, nursery: Nursery, world: Surroundings, operation: Operation) -> None:
        self.nursery = nursery
        self.world = world
        self.operation = operation
        # The first time differs: slots are used that never were before.
        self.play(None)
        assert "outcome" in self.nursery.hear()
        self.nursery.finish()
        self.world.recover(self.operation.limit, by_reap=True)

    def way(self, *, in_python: bool = False) -> list[Arrival]:
        """Each instruction of the operation in the extension (or in Python code), and the states between them."""
        key = self.operation.name, in_python
        known = self.nursery.ways.get(key)
        if known is None:
            self.walk(in_python=in_python)
            self.world.recover(self.operation.limit, by_reap=True)
            known = self.nursery.ways[key] = self.nursery.walked()
        return known

    def walk(self, *, in_python: bool = False) -> list[Arrival]:
        """The same, as it is this time; without recovery."""
        self._set()
        self.nursery.walk(self.world.name, self.operation, in_python=in_python)
        self._let_play()
        assert "outcome" in self.nursery.hear()
        self.nursery.finish()
        return self.nursery.walked()

    def play(self, at: Arrival | None, signal_there: int = signal.SIGKILL) -> None:
        self._set()
        self.nursery.begin(self.world.name, self.operation, at, signal_there)
        self._let_play()

    def _set(self) -> None:
        if self.operation.before:
            self.operation.before(self.world)

    def _let_play(self) -> None:
        operation = self.operation
        if operation.arrange:
            operation.arrange(self.world)
        self.nursery.go()
        if operation.wake and self.nursery.sleeps_before_it_speaks():
            operation.wake(self.world)

    def kill(self, at: Arrival, *, by_reap: bool) -> bool:
        """Kill it there and recover; whether it came there, which may depend on the time."""
        with self.told(f"killed at {at}, then {'reaped' if by_reap else 'others acquire'}"):
            is_dead = self.die(at)
            self.world.recover(self.operation.limit, by_reap=by_reap)
            return is_dead

    def die(self, at: Arrival) -> bool:
        """Kill it there; without recovery."""
        self.play(at)
        heard = self.nursery.hear()
        if "outcome" in heard:
            self.nursery.finish()
        return heard.get("gone") == -signal.SIGKILL

    def kill_asleep(self, *, by_reap: bool) -> None:
        """Kill it while it sleeps in the queue."""
        with self.told("killed asleep"):
            self.fall_asleep()
            assert self.nursery.kill() == {"gone": -signal.SIGKILL}
            self.world.recover(self.operation.limit, by_reap=by_reap)

    def fall_asleep(self) -> None:
        self.nursery.begin(self.world.name, self.operation)
        assert self.operation.arrange is not None
        self.operation.arrange(self.world)
        self.nursery.go()
        assert self.nursery.sleeps_before_it_speaks()

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{self.operation.name}: {what}: {error}") from error
