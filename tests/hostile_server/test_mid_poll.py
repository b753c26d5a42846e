"""A poller that is killed or stopped in the middle of an exchange: another, or itself, goes on with the next."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from shmlimit.usage import HttpUsage
from tests.hostile_server.content_faults import says_once
from tests.hostile_server.transport_faults import CUTS, SILENCE, says
from tests.hostile_server.upstream import Fault, Upstream
from tests.poller.callers import Turns, kill, poller_of, pollers, reading
from tests.support.processes import state_of, wait_for
from tests.usage.hostile_server import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM = Fault("", says_once(answer({"n": 0})))
STAGES = {
    "in the handshake": SILENCE["no word after connecting"],
    "before the answer": SILENCE["no word"],
    "in the headers": Fault("", says(CUTS["in the headers"])),
    "in the body": Fault("", says(CUTS["in the body"])),
    "in a chunk": Fault("", says(CUTS["in a chunk"])),
}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as one:
        yield one


@pytest.fixture
def turns(name: str, upstream: Upstream, request: pytest.FixtureRequest) -> Iterator[Turns]:
    """Callers whose poller meets an upstream that leaves it alone in that stage."""
    upstream.have(STAGES[request.param])
    url = upstream.url().replace("http", "https") if request.param == "in the handshake" else upstream.url()
    turns = Turns(Limiter(name, limit=1, cooldown=0.02, usage=HttpUsage(url, in_flight="/n", timeout=3)))
    turns.queue()
    yield turns
    turns.end()
    for pid in pollers(name):
        kill(pid)


def poller_in_the_exchange(name: str, upstream: Upstream) -> int:
    """Wait until the elected one has sent what it sends in that stage; its pid."""
    pid = poller_of(name)
    wait_for(lambda: upstream.is_asked)
    wait_for(lambda: pollers(name) == [pid])
    return pid


@pytest.mark.parametrize("turns", STAGES, indirect=True)
def test_killed_there_it_is_replaced_and_the_queue_goes_on(name: str, upstream: Upstream, turns: Turns) -> None:
    pid = poller_in_the_exchange(name, upstream)
    kill(pid)
    met = upstream.connections
    upstream.have(ROOM)
    wait_for(lambda: reading(name).poller not in (None, pid))
    wait_for(lambda: upstream.connections > met)
    turns.take()


@pytest.mark.parametrize("turns", STAGES, indirect=True)
def test_stopped_there_it_keeps_nobody_waiting_and_goes_on_when_it_is_let(
    name: str, upstream: Upstream, turns: Turns
) -> None:
    pid = poller_in_the_exchange(name, upstream)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T")
    turns.take()
    assert reading(name).poller == pid
    met = upstream.connections
    upstream.have(ROOM)
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: upstream.connections > met)
    wait_for(lambda: reading(name).usage.state != "stale")
    assert pollers(name) == [pid]
    turns.take()
