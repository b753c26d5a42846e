"""An upstream that asks to be left alone is left alone for as long as it says, by its own clock."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from tests.hostile_server.scene import Scene
from tests.poller.upstream import Upstream
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile_server.conftest import Place

ALONE = 2


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as one:
        yield one


@pytest.fixture
def scene(place: Place, upstream: Upstream) -> Iterator[Scene]:
    upstream.count = 9
    name, log = place()
    with Scene(name, upstream.usage(timeout=10), log) as one:
        one.wait_until_live()
        yield one


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("their_now", [None, 4 * 10**8, 2**32], ids=["seconds", "by a clock of 1982", "of 2106"])
def test_the_next_request_comes_when_the_upstream_said(
    scene: Scene, upstream: Upstream, status: int, their_now: int | None
) -> None:
    upstream.headers = {"Retry-After": str(ALONE)}
    if their_now is not None:
        upstream.headers = {"Retry-After": formatdate(their_now + ALONE, usegmt=True)}
        upstream.date = formatdate(their_now, usegmt=True)
    upstream.fault = status
    scene.wait_until_failing(f"^HTTP {status}$")
    refused = len(upstream.requests)
    upstream.fault = None
    scene.wait_until_live()
    assert upstream.requests[refused] - upstream.requests[refused - 1] >= ALONE


def test_however_many_callers_come_and_go_it_is_not_asked_before(scene: Scene, upstream: Upstream) -> None:
    upstream.headers = {"Retry-After": "1" + "0" * 12}
    upstream.fault = 429
    scene.wait_until_failing("^HTTP 429$")
    upstream.fault = None
    # The reason is written first, then the gate.
    wait_for(lambda: scene.status().foreign == 0)
    asked = len(upstream.requests)
    for _ in range(20):
        scene.turns.take()
    assert len(upstream.requests) == asked
    assert scene.status().usage.state == "failing"
