"""A key, the ways to keep it, and an upstream that is asked with it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.poller.callers import kill, pollers
from tests.support.canary import Canary
from tests.usage.hostile_server import Exchange, HostileServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator


def be_good(exchange: Exchange) -> None:
    """So many that the poller looks again as soon as it may."""
    exchange.send(answer({"n": 9}))


def be_idle(exchange: Exchange) -> None:
    exchange.send(answer({"n": 0}))


@pytest.fixture
def canary(name: str) -> Canary:
    """A key that no other test has; it has what must be percent-encoded and what base64 has too."""
    return Canary(f"/{hashlib.sha256(name.encode()).hexdigest()[:16]}+k")


@pytest.fixture
def upstream() -> Iterator[HostileServer]:
    with HostileServer(be_good) as one:
        yield one


@pytest.fixture(autouse=True)
def _no_poller_left(name: str) -> Iterator[None]:
    yield
    for pid in pollers(name):
        kill(pid)
