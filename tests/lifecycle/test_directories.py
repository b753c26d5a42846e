"""The two directories, of segments and of saved settings, where they are not as one would like them."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

import shmlimit
from shmlimit import Limiter, SegmentRefused, settings, statefile


@pytest.mark.parametrize("relative", [".", "segments", "../x"])
def test_a_relative_segment_directory_is_refused(
    name: str, relative: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("SHMLIMIT_DIR", relative)
        for attempt in (lambda: Limiter(name, limit=1), lambda: Limiter(name, missing_ok=True), shmlimit.limiters):
            with pytest.raises(SegmentRefused, match="absolute") as caught:
                attempt()
            assert repr(relative) in str(caught.value)
    assert not list(tmp_path.glob("*shmlimit*"))


def test_an_empty_segment_directory_is_the_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("SHMLIMIT_DIR", "")
        Limiter(name, limit=1)
    assert name in shmlimit.limiters()


def test_a_user_without_a_home_has_limiters_that_forget(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("SHMLIMIT_STATE_DIR")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.limit = 3
    assert limiter.acquire(timeout=0).release()
    assert "not saved" in caplog.text
    assert "SHMLIMIT_STATE_DIR" in caplog.text
    shmlimit.destroy(name, force=True, forget=True)


def test_without_a_setting_the_users_state_directory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHMLIMIT_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert statefile.directory() == tmp_path / "xdg" / "shmlimit"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert statefile.directory() == tmp_path / ".local" / "state" / "shmlimit"


def test_a_fifo_in_place_of_the_saved_settings_keeps_nobody_waiting(
    name: str, state_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state_directory.mkdir()
    path = state_directory / f"{name}.json"
    os.mkfifo(path)
    with caplog.at_level(logging.WARNING, "shmlimit"):
        assert Limiter(name, limit=4).limit == 4
    assert "not a regular file" in caplog.text
    assert path.is_file()  # replaced by what is saved now


def test_a_directory_in_place_of_the_saved_settings_stops_nothing(
    name: str, state_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = state_directory / f"{name}.json"
    path.mkdir(parents=True)
    limiter = Limiter(name, limit=4)
    limiter.limit = 3
    assert limiter.limit == 3
    assert "not saved" in caplog.text
    assert [entry.name for entry in state_directory.iterdir()] == [path.name]


@pytest.mark.parametrize("value", ["soon", True, [1], -1, 1e9, float("nan"), float("inf")])
def test_a_saved_cooldown_that_makes_no_sense_is_not_restored(name: str, state_directory: Path, value: object) -> None:
    saved = {"limit": 2, "configured_limit": 4, "cooldown": value, "usage": None}
    state_directory.mkdir()
    (state_directory / f"{name}.json").write_text(json.dumps(saved))
    now = Limiter(name, limit=4).status()
    assert (now.limit, now.cooldown, now.usage.state) == (4, settings.DEFAULT_COOLDOWN, "off")
