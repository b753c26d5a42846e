"""Scenes that a module's tests share: one poller process goes through all that its upstream does."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

import pytest

from shmlimit import segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Place = Callable[[], tuple[str, Path]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Names for limiters, each with a file for its poller's log, all gone at the end."""
    names: list[str] = []
    directory = tmp_path_factory.mktemp("scenes")

    def take() -> tuple[str, Path]:
        names.append(f"test-{os.getpid()}-{secrets.token_hex(4)}")
        return names[-1], directory / f"{names[-1]}.log"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHMLIMIT_STATE_DIR", str(directory / "state"))
        yield take
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            segment.destroy(name, force=True)
