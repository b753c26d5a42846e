"""The same operation, stopped at one instruction while others work, and then let go on among them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.stepper.stage import Stage

if TYPE_CHECKING:
    from tests.stepper.crew import Crew
    from tests.stepper.nursery import Nursery
    from tests.stepper.operation import Operation
    from tests.stepper.way import Arrival
    from tests.stepper.world import World


class Ice:
    """An operation, its doomed process, and the crew that goes on without it."""

    def __init__(self, nursery: Nursery, world: World, operation: Operation, crew: Crew) -> None:
        self._stage = Stage(nursery, world, operation)
        self._world = world
        self._crew = crew

    def way(self) -> list[Arrival]:
        return self._stage.way()

    def freeze(self, at: Arrival) -> bool:
        """Stop it there, let others work, and let it go on while they work; whether it came there."""
        with self._stage.told(f"stopped at {at}"):
            self._stage.play(at, signal.SIGSTOP)
            heard = self._stage.nursery.hear()
            is_stopped = "stopped" in heard
            if is_stopped:
                self._work_around_it()
            else:
                self._stage.nursery.finish()
            self._world.recover(self._stage.operation.limit, by_reap=True)
            return is_stopped

    def freeze_asleep(self) -> None:
        """Stop it while it sleeps in the queue."""
        with self._stage.told("stopped asleep"):
            self._stage.fall_asleep()
            assert "stopped" in self._stage.nursery.stop()
            self._work_around_it()
            self._world.recover(self._stage.operation.limit, by_reap=True)

    def _work_around_it(self) -> None:
        world, limit = self._world, self._stage.operation.limit
        world.make_way()
        theirs = world.held_by_others()
        self._crew.work()
        worked = self._crew.hear()
        world.check(limit)
        still = world.slots()
        assert all(still[i] == word for i, word in theirs.items()), "what a stopped process held was taken"
        self._crew.work()
        self._stage.nursery.thaw()
        heard = self._stage.nursery.hear()
        world.make_way()
        worked += self._crew.hear()
        assert "outcome" in heard, f"it went on, and {heard}"
        last = self._stage.nursery.give_back()
        assert not any(last["lost"]), "its permit was lost"
        assert not world.kept_by_others(), "it lives on, done with everything, and keeps a slot"
        self._stage.nursery.end()
        self._crew.check(worked + [tuple(last["held"])] * len(last["lost"]), limit)
