"""A process is stopped at any instruction of any operation: others go on without it, and then it goes on with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stepper.crew import Crew
from tests.stepper.operation import OPERATIONS, Operation
from tests.stepper.stage import Stage
from tests.stepper.world import World

if TYPE_CHECKING:
    from tests.stepper.effort import Effort
    from tests.stepper.nursery import Nursery


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_stop_at_any_instruction_stops_nobody_else_and_does_no_harm_when_it_ends(
    operation: Operation, name: str, nursery: Nursery, effort: Effort
) -> None:
    with World(name) as world, Crew(world) as crew:
        stage = Stage(nursery, world, operation)
        way = stage.way()
        stops = [stage.freeze(arrival, crew) for arrival in effort.choose(way)]
    states = way[-1].state + 1
    print(f"{operation.name}: {len(way)} instructions, {states} states, {sum(stops)} stops of {len(stops)} tried")
    assert sum(stops) > len(stops) / 2, "it seldom comes where it came before"
