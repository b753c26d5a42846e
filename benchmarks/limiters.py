"""Limiters for benchmarks: of a name of their own, with their settings nowhere near the user's."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import shmlimit

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def fresh(limit: int, *, cooldown: float = 0.0) -> Iterator[shmlimit.Limiter]:
    """A limiter that is gone at the end; its name is inherited by forked children."""
    name = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory() as state:
        os.environ["SHMLIMIT_STATE_DIR"] = state
        limiter = shmlimit.Limiter(name, limit=limit, cooldown=cooldown)
        try:
            yield limiter
        finally:
            limiter.close()
            shmlimit.destroy(name, force=True)
