"""A process is killed or stopped at any instruction of making or removing a limiter, in the extension and in Python."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from shmlimit import segment
from tests.stepper.operation import Operation
from tests.stepper.place import Place
from tests.stepper.repertoire import CREATE, DESTROY
from tests.stepper.stage import Stage

if TYPE_CHECKING:
    from tests.stepper.effort import Effort
    from tests.stepper.nursery import Nursery


@pytest.fixture
def place(name: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    # Everything is old at once.
    monkeypatch.setattr(segment, "_ABANDONED_AFTER", -1.0)
    return Place(name)


each_in_either_language = pytest.mark.parametrize(
    ("operation", "in_python"),
    [(operation, in_python) for operation in (CREATE, DESTROY) for in_python in (False, True)],
    ids=lambda value: value.name if isinstance(value, Operation) else "in Python" if value else "in the extension",
)


@each_in_either_language
def test_a_death_while_a_name_is_given_or_taken_leaves_a_whole_limiter_or_none(
    operation: Operation, in_python: bool, place: Place, nursery: Nursery, effort: Effort
) -> None:
    stage = Stage(nursery, place, operation)
    way = stage.way(in_python=in_python)
    deaths = [stage.kill(arrival, by_reap=False) for arrival in effort.ends(way)]
    states = way[-1].state + 1
    print(f"{operation.name}: {len(way)} instructions, {states} states, {sum(deaths)} kills of {len(deaths)} tried")
    assert sum(deaths) > len(deaths) / 2, "it seldom comes where it came before"


@each_in_either_language
def test_a_stop_while_a_name_is_given_or_taken_harms_nobody_who_comes_meanwhile(
    operation: Operation,
    in_python: bool,
    place: Place,
    nursery: Nursery,
    effort: Effort,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(nursery, place, operation)
    way = stage.way(in_python=in_python)
    stops: list[bool] = []
    for arrival in effort.stops(way):
        # Whoever comes meanwhile takes the private file of a stopped creator for abandoned, or leaves it alone.
        age = -1.0 if len(stops) % 2 else 60.0
        with stage.told(f"stopped at {arrival}, abandoned after {age} s"):
            stage.play(arrival, signal.SIGSTOP)
            is_stopped = "stopped" in nursery.hear()
            stops.append(is_stopped)
            if is_stopped:
                with monkeypatch.context() as patch:
                    patch.setattr(segment, "_ABANDONED_AFTER", age)
                    visited = place.visit(operation.limit)
                nursery.thaw()
                assert "outcome" in nursery.hear()
                if visited:
                    place.check_named(visited)
                    visited.close()
            nursery.finish()
            place.recover(operation.limit, by_reap=True)
    shared = sum(arrival.is_shared for arrival in way)
    print(f"{operation.name}: {len(way)} instructions, {shared} shared, {sum(stops)} stops of {len(stops)} tried")
    assert sum(stops) > len(stops) / 2, "it seldom comes where it came before"
