from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .hostile_server import HostileServer, Script, always

Serve = Callable[[Script | bytes], HostileServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that are gone, threads and all, when the test is over."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(
            HostileServer(always(script) if isinstance(script, bytes) else script)
        )
