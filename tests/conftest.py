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
from tests.support.workshop import workshop

__all__ = ["workshop"]

if TYPE_CHECKING:
    from collections.abc import Iterator

_HANG = 300
# The session too, so that all that a run in several processes leaves can be found.
_MARK = f"test-{os.getsid(0)}-{os.getpid()}-"


def pytest_addoption(parser: pytest.Parser) -> None:
    effort = parser.getgroup("effort", "how far the searches go")
    effort.addoption("--long", action="store_true", help="also the large configurations, which take minutes to hours")
    effort.addoption(
        "--minutes",
        type=float,
        metavar="N",
        help="how long each random search goes on; default: its share of a short run",
    )
    effort.addoption(
        "--tier", action="append", metavar="NAME", help="mutants are judged by this tier only (several times: by these)"
    )


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """Whether the large configurations are to run too."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def seconds(pytestconfig: pytest.Config) -> float | None:
    """How long a random search is to go on; None: its share of a short run."""
    minutes: float | None = pytestconfig.getoption("--minutes")
    return None if minutes is None else minutes * 60


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where settings are saved during this test."""
    monkeypatch.setenv("SHMLIMIT_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def _watch_for_hangs(is_long: bool, seconds: float | None) -> Iterator[None]:
    if not is_long:
        faulthandler.dump_traceback_later(_HANG + (seconds or 0), exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def name() -> Iterator[str]:
    """A limiter's name that nobody else uses; its segment is removed at the end."""
    chosen = f"{_MARK}{secrets.token_hex(4)}"
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
    return {entry for entry in os.listdir("/dev/shm") if f".{_MARK}" in entry}  # noqa: PTH208
