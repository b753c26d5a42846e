"""A pytest plugin: the fixture `shmlimit_limiter`, one limiter for all tests of a run, in all workers of pytest-xdist.

    [pytest]
    shmlimit_limit = 4

    def test_an_answer(shmlimit_limiter):
        with shmlimit_limiter:
            assert call_upstream().ok

Two runs at a time have a limiter each, which is removed at the end of its run. With `shmlimit_name` they share the one
of that name, also with programs that are no tests, and it stays.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import Limiter, LimiterNotFound, destroy

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addini("shmlimit_limit", "permits of the fixture shmlimit_limiter, if it has to create its limiter")
    parser.addini("shmlimit_name", "its limiter's name; default: one that only this run has, removed at its end")


def pytest_configure(config: pytest.Config) -> None:
    """Name the run, as the process that started this worker has."""
    given = getattr(config, "workerinput", {})
    config.stash[_RUN] = given.get("shmlimit_run") or f"pytest-{secrets.token_hex(4)}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the run's name."""
    node.workerinput["shmlimit_run"] = node.config.stash[_RUN]


@pytest.fixture(scope="session")
def shmlimit_limiter(pytestconfig: pytest.Config) -> Iterator[Limiter]:
    """The Limiter that all tests of this run share, whichever worker they are in.

    Hold a permit around the calls that count, not for a whole test: a worker that is killed gives its permits back.
    """
    limiter = Limiter(_name(pytestconfig), limit=_limit(pytestconfig))
    yield limiter
    limiter.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's own limiter, when all workers have ended."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker and _RUN in config.stash and not config.getini("shmlimit_name"):
        with contextlib.suppress(LimiterNotFound):
            destroy(_name(config), force=True, forget=True)


def _name(config: pytest.Config) -> str:
    return config.getini("shmlimit_name") or config.stash[_RUN]


def _limit(config: pytest.Config) -> int | None:
    text = config.getini("shmlimit_limit")
    if text.isascii() and text.isdigit():
        return int(text)
    if text or not config.getini("shmlimit_name"):
        raise pytest.UsageError(
            f"shmlimit_limit must be a whole number, not {text!r}: set it in pytest.ini, as in `shmlimit_limit = 4`, "
            "or set shmlimit_name to a limiter that exists"
        )
    return None
