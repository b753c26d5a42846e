"""Whatever an upstream answers or does not, the poller lives, says what is wrong, and takes the next good answer.

One poller process goes through all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit.usage import HttpUsage
from tests.hostile_server.content_faults import CONTENT_FAULTS, UNUSUAL
from tests.hostile_server.scene import Scene
from tests.hostile_server.transport_faults import TIMEOUT, TRANSPORT_FAULTS
from tests.hostile_server.upstream import COUNT, Fault, Upstream
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile_server.conftest import Place
    from tests.usage.hostile_server import Script

FAULTS = {**TRANSPORT_FAULTS, **CONTENT_FAULTS}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as one:
        yield one


@pytest.fixture(scope="module")
def scene(place: Place, upstream: Upstream) -> Iterator[Scene]:
    name, log = place()
    usage = HttpUsage(upstream.url(), in_flight="/n", timeout=TIMEOUT, min_interval=0.05)
    with Scene(name, usage, log) as one:
        yield one


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_opens_the_gate_and_is_told_and_the_next_good_answer_closes_it(
    scene: Scene, upstream: Upstream, fault: Fault
) -> None:
    upstream.recover()
    wait_for(lambda: scene.wait_until_live().usage.count == COUNT)
    upstream.have(fault)
    now = scene.wait_until_failing(fault.reason)
    assert now.usage.count == COUNT, "the last good answer, with its age"
    # The reason is written first, then the gate.
    wait_for(lambda: scene.status().foreign == 0)
    scene.turns.take()
    upstream.recover()
    assert scene.wait_until_live().usage.reason is None
    wait_for(lambda: scene.status().foreign > 0)


@pytest.mark.parametrize(("script", "count"), UNUSUAL.values(), ids=UNUSUAL)
def test_an_odd_answer_is_an_answer(scene: Scene, upstream: Upstream, script: Script, count: float) -> None:
    upstream.script = script
    wait_for(lambda: scene.wait_until_live().usage.count == count)


def test_nothing_piles_up_in_a_poller_that_meets_every_fault(scene: Scene, upstream: Upstream) -> None:
    if scene.open_files() is None:
        pytest.skip("the poller's files are not for this user to see")
    upstream.recover()
    scene.wait_until_live()
    files = scene.open_files()
    for fault in ("closed when it connects", "reset in a chunk", "no word after the headers", "60,000 digits"):
        upstream.have(FAULTS[fault])
        scene.wait_until_failing(FAULTS[fault].reason)
        upstream.recover()
        scene.wait_until_live()
    wait_for(lambda: scene.open_files() == files)
