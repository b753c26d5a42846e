"""With on_stale="closed" nobody is admitted on anything but a fresh count, whatever the upstream does instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit.usage import HttpUsage
from tests.hostile_server.content_faults import CONTENT_FAULTS, says_once
from tests.hostile_server.scene import Scene
from tests.hostile_server.transport_faults import TIMEOUT, TRANSPORT_FAULTS
from tests.hostile_server.upstream import Fault, Upstream
from tests.support.processes import wait_for
from tests.usage.hostile_server import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile_server.conftest import Place

FAULTS = {**TRANSPORT_FAULTS, **CONTENT_FAULTS}
ONE_OF_EACH_KIND = [
    "no word", "a body that drips", "reset in the body", "a body that is 10 MiB", "a chunk of size zz", "status 500",
    "JSON that is cut", "NaN", "nothing", "a negative count",
]  # fmt: skip
ROOM = Fault("", says_once(answer({"n": 0})))


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as one:
        one.have(ROOM)
        yield one


@pytest.fixture(scope="module")
def scene(place: Place, upstream: Upstream) -> Iterator[Scene]:
    name, log = place()
    usage = HttpUsage(upstream.url(), in_flight="/n", timeout=TIMEOUT, min_interval=0.05, settle=0)
    with Scene(name, usage, log, on_stale="closed") as one:
        yield one


@pytest.mark.parametrize("fault", ONE_OF_EACH_KIND)
def test_a_fault_keeps_the_gate_closed_until_there_is_a_good_answer(
    scene: Scene, upstream: Upstream, fault: str
) -> None:
    upstream.have(ROOM)
    scene.wait_until_live()
    upstream.have(FAULTS[fault])
    scene.wait_until_failing(FAULTS[fault].reason)
    scene.turns.give_back()
    met = upstream.connections + len(upstream.exchanges)
    wait_for(lambda: upstream.connections + len(upstream.exchanges) > met)
    now = scene.status()
    assert (now.blocked_by, now.held, now.queued) == ("stale", 0, 1)
    upstream.have(ROOM)
    scene.turns.go_on()
