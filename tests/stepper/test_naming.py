"""A process is killed at any instruction of making or removing a limiter, in the extension and in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit import segment
from tests.stepper.place import Place
from tests.stepper.repertoire import CREATE, DESTROY
from tests.stepper.stage import Stage

if TYPE_CHECKING:
    from tests.stepper.effort import Effort
    from tests.stepper.nursery import Nursery
    from tests.stepper.operation import Operation


@pytest.fixture
def place(name: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    # Everything is old at once.
    monkeypatch.setattr(segment, "_ABANDONED_AFTER", -1.0)
    return Place(name)


@pytest.mark.parametrize("in_python", [False, True], ids=["in the extension", "in Python"])
@pytest.mark.parametrize("operation", [CREATE, DESTROY], ids=lambda operation: operation.name)
def test_a_death_while_a_name_is_given_or_taken_leaves_a_whole_limiter_or_none(
    operation: Operation, in_python: bool, place: Place, nursery: Nursery, effort: Effort
) -> None:
    stage = Stage(nursery, place, operation)
    way = stage.way(in_python=in_python)
    deaths = [stage.kill(arrival, by_reap=False) for arrival in effort.choose(way)]
    states = way[-1].state + 1
    print(f"{operation.name}: {len(way)} instructions, {states} states, {sum(deaths)} kills of {len(deaths)} tried")
    assert sum(deaths) > len(deaths) / 2, "it seldom comes where it came before"
