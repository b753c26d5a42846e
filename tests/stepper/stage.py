"""One operation of a doomed process, played again and again: to its end, or to a death or a stop at one instruction."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stepper.crew import Crew
    from tests.stepper.nursery import Arrival, Nursery
    from tests.stepper.operation import Operation
    from tests.stepper.world import World


class Stage:
    """An operation, its doomed process and the world around it. All trials leave the world as they found it."""

    def __init__(self, nursery: Nursery, world: World, operation: Operation) -> None:
        self._nursery = nursery
        self._world = world
        self._operation = operation
        # The first time differs: slots are used that never were before.
        self._play(None)
        self._finish(self._nursery.hear(), by_reap=True)

    def way(self) -> list[Arrival]:
        """Each instruction of the operation, and the states between them."""
        known = self._nursery.ways.get(self._operation.name)
        if known is None:
            self._set()
            self._nursery.walk(self._world.name, self._operation)
            self._let_play()
            self._finish(self._nursery.hear(), by_reap=True)
            known = self._nursery.ways[self._operation.name] = self._nursery.way()
        return known

    def _play(self, at: Arrival | None, signal_there: int = signal.SIGKILL) -> None:
        self._set()
        self._nursery.begin(self._world.name, self._operation, at, signal_there)
        self._let_play()

    def _set(self) -> None:
        if self._operation.before:
            self._operation.before(self._world)

    def _let_play(self) -> None:
        operation = self._operation
        if operation.arrange:
            operation.arrange(self._world)
        self._nursery.go()
        if operation.wake and self._nursery.sleeps_before_it_speaks():
            operation.wake(self._world)

    def _finish(self, heard: dict[str, object], *, by_reap: bool) -> None:
        if "outcome" in heard:
            self._nursery.end()
        self._world.recover(self._operation.limit, by_reap=by_reap)

    def kill(self, at: Arrival, *, by_reap: bool) -> bool:
        """Kill it there and recover; whether it came there, which may depend on the time."""
        with self._told(f"killed at {at}, then {'reaped' if by_reap else 'others acquire'}"):
            self._play(at)
            heard = self._nursery.hear()
            self._finish(heard, by_reap=by_reap)
            return heard.get("gone") == -signal.SIGKILL

    def kill_asleep(self, *, by_reap: bool) -> None:
        """Kill it while it sleeps in the queue."""
        with self._told("killed asleep"):
            self._nursery.begin(self._world.name, self._operation)
            assert self._operation.arrange is not None
            self._operation.arrange(self._world)
            self._nursery.go()
            assert self._nursery.sleeps_before_it_speaks()
            self._nursery.kill()
            self._finish({}, by_reap=by_reap)

    def freeze(self, at: Arrival, crew: Crew) -> bool:
        """Stop it there, let others work, and let it go on while they work; whether it came there."""
        operation, world = self._operation, self._world
        with self._told(f"stopped at {at}"):
            self._play(at, signal.SIGSTOP)
            heard = self._nursery.hear()
            if "stopped" not in heard:
                self._finish(heard, by_reap=True)
                return False
            world.make_way()
            theirs = world.held_by_others()
            crew.work()
            worked = crew.hear()
            world.check(operation.limit)
            still = world.slots()
            assert all(still[i] == word for i, word in theirs.items()), "what a stopped process held was taken"
            crew.work()
            self._nursery.thaw()
            heard = self._nursery.hear()
            world.make_way()
            worked += crew.hear()
            assert "outcome" in heard, f"it went on, and {heard}"
            last = self._nursery.end()
            assert not any(last["lost"]), "its permit was lost"
            crew.check(worked + [tuple(last["held"])] * len(last["lost"]), operation.limit)
            world.recover(operation.limit, by_reap=True)
            return True

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{self._operation.name}: {what}: {error}") from error
