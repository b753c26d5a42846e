"""Tests that call one upstream, in parallel workers behind one limit.

pip install shmlimit pytest-xdist
pytest -n 4 -o shmlimit_limit=2 examples/test_with_xdist.py     # better in pytest.ini: shmlimit_limit = 2

The fixture comes with shmlimit. Kill a worker in the middle of a call: pytest-xdist starts another, the permit comes
back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shmlimit import Limiter


@pytest.mark.parametrize("number", range(8))
def test_an_answer(number: int, shmlimit_limiter: Limiter) -> None:
    """Stand for a test that calls the upstream."""
    with shmlimit_limiter:
        time.sleep(0.1)
        assert shmlimit_limiter.status().held <= 2
