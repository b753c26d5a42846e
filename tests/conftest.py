"""Every test gets a limiter name and a state directory of its own, and leaves nothing behind."""

from __future__ import annotations

import faulthandler
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shmlimit import segment
from shmlimit.errors import ShmlimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HANG = 300


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where settings are saved during this test."""
    monkeypatch.setenv("SHMLIMIT_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def _watch_for_hangs() -> Iterator[None]:
    faulthandler.dump_traceback_later(_HANG, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def name() -> Iterator[str]:
    """A limiter's name that nobody else uses; its segment is removed at the end."""
    chosen = f"test-{os.getpid()}-{secrets.token_hex(4)}"
    yield chosen
    try:
        segment.destroy(chosen, force=True)  # ends its poller too
    except (ShmlimitError, OSError):
        Path(segment.path_of(chosen)).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    before = _ours()
    yield
    left = _ours() - before
    assert not left, f"left in shared memory: {sorted(left)}"


def _ours() -> set[str]:
    mark = f".test-{os.getpid()}-"
    return {entry for entry in os.listdir("/dev/shm") if mark in entry}  # noqa: PTH208
