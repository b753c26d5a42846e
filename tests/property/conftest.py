"""Every random search here begins with a seed that it prints."""

from __future__ import annotations

import secrets

import pytest


@pytest.fixture
def first_seed(pytestconfig: pytest.Config, seconds: float | None) -> int:
    """`--hypothesis-seed N` if given; 1 in a short run, which is the same each time; else one that nobody has tried."""
    asked = pytestconfig.getoption("--hypothesis-seed", default=None)
    if asked is not None:
        return int(asked)
    return 1 if seconds is None else secrets.randbelow(10**9)
