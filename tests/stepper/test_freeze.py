"""A process is stopped at any instruction of any operation: others go on without it, and then it goes on with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stepper.ice import Ice
from tests.stepper.repertoire import SHARED, SLEEPING
from tests.stepper.world import World

if TYPE_CHECKING:
    from tests.stepper.crew import Crew
    from tests.stepper.effort import Effort
    from tests.stepper.nursery import Nursery
    from tests.stepper.operation import Operation


@pytest.mark.parametrize("operation", SHARED, ids=lambda operation: operation.name)
def test_a_stop_at_any_instruction_stops_nobody_else_and_does_no_harm_when_it_ends(
    operation: Operation, name: str, nursery: Nursery, crew: Crew, effort: Effort
) -> None:
    with World(name) as world:
        crew.join(world)
        ice = Ice(nursery, world, operation, crew)
        way = ice.way()
        stops = [ice.freeze(arrival) for arrival in effort.stops(way)]
    shared = sum(arrival.is_shared for arrival in way)
    print(f"{operation.name}: {len(way)} instructions, {shared} shared, {sum(stops)} stops of {len(stops)} tried")
    assert operation.is_timed or sum(stops) > len(stops) / 2, "it seldom comes where it came before"


def test_a_stop_asleep_in_the_queue_stops_nobody_else_and_does_no_harm_when_it_ends(
    name: str, nursery: Nursery, crew: Crew
) -> None:
    with World(name) as world:
        crew.join(world)
        for operation in SLEEPING:
            Ice(nursery, world, operation, crew).freeze_asleep()
