"""Each test gets an upstream, waiters that are let out, and no poller survives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import Limiter, Permit
from tests.poller.callers import Waiter, end_all, kill, pollers
from tests.poller.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Hold = Callable[..., list[Permit]]
    Wait = Callable[..., Waiter]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as one:
        yield one


@pytest.fixture(autouse=True)
def _no_poller_left(name: str) -> Iterator[None]:
    yield
    for pid in pollers(name):
        kill(pid)


@pytest.fixture
def hold(name: str) -> Iterator[Hold]:
    """Take permits while nothing polls, so that they are admitted at once, and keep them."""
    permits: list[Permit] = []

    def take(limiter: Limiter, n: int = 1, **options: Any) -> list[Permit]:
        taken = [limiter.acquire(timeout=0, **options) for _ in range(n)]
        permits.extend(taken)
        return taken

    yield take
    for permit in permits:
        permit.release()


@pytest.fixture
def wait(name: str) -> Iterator[Wait]:
    """Start a waiter on the limiter of that name."""
    limiters: list[Limiter] = []
    waiters: list[Waiter] = []

    def start(**options: Any) -> Waiter:
        if not limiters:
            limiters.append(Limiter(name))
        waiters.append(Waiter(limiters[0], **options))
        return waiters[-1]

    yield start
    if limiters:
        end_all(limiters[0], waiters)
