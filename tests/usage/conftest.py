from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from shmlimit.usage import connection

from .hostile_server import HostileServer, Script, always

Serve = Callable[[Script | bytes], HostileServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that are gone, threads and all, when the test is over."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(HostileServer(always(script) if isinstance(script, bytes) else script))


@pytest.fixture
def patient_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep idle connections for so long that a busy machine cannot make a poll late for its connection."""
    monkeypatch.setattr(connection, "_KEEP_ALIVE", 600.0)
