"""What outlives the segment: limit, headroom, cooldown and usage source, in a file that can be wrong."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

import shmlimit
from shmlimit import Limiter, segment, settings, statefile

USAGE = {"kind": "http", "url": "http://127.0.0.1:1/v1/usage"}


def _reboot(limiter: Limiter) -> None:
    """Shared memory is empty afterwards."""
    limiter.close()
    Path(segment.path_of(limiter.name)).unlink()


def test_after_a_reboot_limit_headroom_and_cooldown_are_back(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=1.25)
    limiter.report_429(600)
    limiter.cooldown = 2.5
    _reboot(limiter)
    now = Limiter(name, limit=4).status()
    assert (now.limit, now.configured_limit, now.auto_reduced_from, now.cooldown) == (3, 4, 4, 2.5)
    assert not now.paused
    assert now.held == 0


def test_after_a_reboot_what_is_given_wins_over_what_was_saved(name: str) -> None:
    _reboot(Limiter(name, limit=4, cooldown=1.25))
    assert Limiter(name, limit=4, cooldown=0.5).cooldown == 0.5


def test_after_a_reboot_the_usage_source_is_back(name: str) -> None:
    statefile.write(name, statefile.SavedState(limit=4, configured_limit=4, cooldown=0.1, usage=USAGE))
    limiter = Limiter(name, limit=4)
    assert settings.read_usage(segment.attach(name).config()) == USAGE
    assert limiter.status().usage.state == "stale"  # configured, no poll yet


def test_forgotten_nothing_comes_back(name: str, state_directory: Path) -> None:
    limiter = Limiter(name, limit=4, cooldown=1.25)
    limiter.report_429(0)
    limiter.close()
    assert [entry.name for entry in state_directory.iterdir()] == [f"{name}.json"]
    shmlimit.destroy(name, forget=True)
    assert not list(state_directory.iterdir())
    now = Limiter(name, limit=4).status()
    assert (now.limit, now.cooldown, now.auto_reduced) == (4, settings.DEFAULT_COOLDOWN, False)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"\xff\xfe", b"null", b"[]", b"{}", b"3", b'"x"', b"[" * 20000,
        b'{"limit": 9, "configured_limit": 4, "cooldown": 1, "usage": null}',
        b'{"limit": -1, "configured_limit": 4, "cooldown": 1, "usage": null}',
        b'{"limit": 3.0, "configured_limit": 4, "cooldown": 1, "usage": null}',
        b'{"limit": true, "configured_limit": 4, "cooldown": 1, "usage": null}',
        b'{"limit": 3, "configured_limit": 4, "cooldown": -1, "usage": null}',
        b'{"limit": 3, "configured_limit": 4, "cooldown": NaN, "usage": null}',
        b'{"limit": 3, "configured_limit": 4, "cooldown": "1", "usage": null}',
        b'{"limit": 3, "configured_limit": 4, "cooldown": 1, "usage": "x"}',
        b'{"limit": 3, "configured_limit": 4, "cooldown": 1}',
    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense_counts_as_absent_and_is_reported(
    name: str, state_directory: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    state_directory.mkdir()
    path = state_directory / f"{name}.json"
    path.write_bytes(text)
    with caplog.at_level(logging.WARNING, "shmlimit"):
        now = Limiter(name, limit=4).status()
    assert (now.limit, now.configured_limit, now.cooldown) == (4, 4, settings.DEFAULT_COOLDOWN)
    assert str(path) in caplog.text
    assert json.loads(path.read_text())["limit"] == 4  # whole again


def test_an_unwritable_directory_stops_nothing(
    name: str, state_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state_directory.write_text("a file in the directory's place")
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.limit = 5
    assert limiter.report_429(0)
    limiter.reset()
    assert "not saved" in caplog.text
    assert limiter.limit == 5
    assert state_directory.read_text() == "a file in the directory's place"


def test_a_directory_that_vanished_is_made_again_for_its_owner_alone(name: str, state_directory: Path) -> None:
    limiter = Limiter(name, limit=4)
    shutil.rmtree(state_directory)
    limiter.limit = 2
    assert state_directory.stat().st_mode & 0o777 == 0o700
    assert (state_directory / f"{name}.json").stat().st_mode & 0o777 == 0o600
    assert statefile.read(name) == statefile.SavedState(2, 2, settings.DEFAULT_COOLDOWN)


def test_a_save_that_fails_leaves_the_old_file_whole_and_no_other(
    name: str, state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = statefile.SavedState(3, 4, 0.5)
    assert statefile.write(name, old)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    assert not statefile.write(name, statefile.SavedState(1, 1, 1.0))
    assert statefile.read(name) == old
    assert [entry.name for entry in state_directory.iterdir()] == [f"{name}.json"]
