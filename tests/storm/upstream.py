"""An upstream for storms: it counts what is held here, without any lag, and nobody else's."""

from __future__ import annotations

import os

import shmlimit
from shmlimit.usage import Usage

LIMITER = "SHMLIMIT_STORM_NAME"


def _count() -> Usage:
    now = shmlimit.status(os.environ[LIMITER])
    assert isinstance(now, shmlimit.Status)
    return Usage(concurrent_sessions=now.held)


class _Source:
    """In the poller. A start shows at once: otherwise our own young permits would count as foreign."""

    settle = 0.0

    def get_usage(self) -> Usage:
        return _count()


class _BriskSource(_Source):
    """One that may be asked so often that it does not slow a storm down."""

    min_interval = 0.02


usage = _Source
brisk_usage = _BriskSource
