"""A limiter of one permit, and an upstream made of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def limiter(name: str) -> Iterator[Limiter]:
    one = Limiter(name, limit=2, cooldown=0)
    yield one
    assert one.status().held == 0
    one.close()
