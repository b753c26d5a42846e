"""A process is killed at any instruction of any operation, and nothing is lost or left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stepper.repertoire import SHARED, SLEEPING
from tests.stepper.stage import Stage
from tests.stepper.world import World

if TYPE_CHECKING:
    from tests.stepper.effort import Effort
    from tests.stepper.nursery import Nursery
    from tests.stepper.operation import Operation


@pytest.mark.parametrize("operation", SHARED, ids=lambda operation: operation.name)
def test_a_death_at_any_instruction_loses_nothing_and_leaves_nothing(
    operation: Operation, name: str, nursery: Nursery, effort: Effort
) -> None:
    with World(name) as world:
        stage = Stage(nursery, world, operation)
        way = stage.way()
        deaths = [stage.kill(arrival, by_reap=by_reap) for arrival in effort.ends(way) for by_reap in (True, False)]
    states = way[-1].state + 1
    print(f"{operation.name}: {len(way)} instructions, {states} states, {sum(deaths)} kills of {len(deaths)} tried")
    assert operation.is_timed or sum(deaths) > len(deaths) / 2, "it seldom comes where it came before"


@pytest.mark.parametrize("by_reap", [True, False], ids=["reaped", "others acquire"])
def test_a_death_asleep_in_the_queue_loses_nothing_and_leaves_nothing(
    by_reap: bool, name: str, nursery: Nursery
) -> None:
    with World(name) as world:
        for operation in SLEEPING:
            Stage(nursery, world, operation).kill_asleep(by_reap=by_reap)
