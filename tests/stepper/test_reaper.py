"""A process is killed, then who reaps what it left is killed too, at any instruction, and a third does the rest."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.stepper.repertoire import HEIR, SHARED
from tests.stepper.stage import Stage
from tests.stepper.way import firsts
from tests.stepper.world import World

if TYPE_CHECKING:
    from tests.stepper.effort import Effort
    from tests.stepper.nursery import Nursery
    from tests.stepper.operation import Operation
    from tests.stepper.way import Arrival

# Those after which there is something to take back.
VICTIMS = [
    operation
    for operation in SHARED
    if operation.name
    in ("acquire with room", "acquire, queue, be admitted", "release and admit a waiter", "attach", "reap")
]


class Succession:
    """A victim, and the heir that reaps what it left."""

    def __init__(self, nursery: Nursery, world: World, operation: Operation) -> None:
        self._world = world
        self._victim = Stage(nursery, world, operation)
        self._heir = Stage(nursery, world, HEIR)
        self.limit = operation.limit

    def victims_way(self) -> list[Arrival]:
        return self._victim.way()

    def heirs_way(self, victims_end: Arrival) -> list[Arrival]:
        """How the heir goes after that death."""
        with self._victim.told(f"killed at {victims_end}, reaped"):
            self._victim.die(victims_end)
            way = self._heir.walk()
            self._world.recover(self.limit, by_reap=False)
        return way

    def kill_both(self, victims_end: Arrival, heirs_end: Arrival, *, by_reap: bool) -> bool:
        """Whether both came there."""
        with self._victim.told(f"killed at {victims_end}, its reaper at {heirs_end}"):
            are_dead = self._victim.die(victims_end) & self._heir.die(heirs_end)
            self._world.recover(self.limit, by_reap=by_reap)
        return are_dead


@pytest.mark.parametrize("operation", VICTIMS, ids=lambda operation: operation.name)
def test_a_death_of_the_reaper_too_loses_nothing_and_leaves_nothing(
    operation: Operation, name: str, nursery: Nursery, effort: Effort
) -> None:
    chance = random.Random(effort.seed)
    deaths = []
    victims = 0
    with World(name) as world:
        succession = Succession(nursery, world, operation)
        for victims_end in effort.some_states(succession.victims_way()):
            heirs_way = succession.heirs_way(victims_end)
            ends = firsts(heirs_way) + chance.sample(heirs_way, 2)
            deaths += [succession.kill_both(victims_end, end, by_reap=chance.random() < 0.5) for end in ends]
            victims += 1
    print(f"{operation.name}: {sum(deaths)} kills of the reaper of {len(deaths)} tried, after {victims} of its victim")
    assert operation.is_timed or sum(deaths) > len(deaths) / 2, "it seldom comes where it came before"
