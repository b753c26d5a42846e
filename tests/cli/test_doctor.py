"""`shmlimit doctor`: one line for each check, and a failure that shows in the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, limiters, segment
from shmlimit.cli import main
from tests.support.processes import Worker, hear, say

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of segments for this test alone, so that what others do is not found."""
    chosen = Path("/dev/shm") / f"{tmp_path.parent.name}-{os.getpid()}-{tmp_path.name}"
    chosen.mkdir(mode=0o700)
    monkeypatch.setenv("SHMLIMIT_DIR", str(chosen))
    yield chosen
    for left in chosen.iterdir():
        left.unlink()
    chosen.rmdir()


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    assert main(["doctor", *arguments]) == code
    out, err = capsys.readouterr()
    assert err == ""
    lines: list[str] = out.splitlines()
    assert all(line.startswith(("ok ", "warning ", "FAILED ")) for line in lines)
    return lines


def test_a_healthy_host_has_no_findings_and_nothing_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    limiter = Limiter("healthy", limit=1)
    lines = doctor(capsys)
    assert any(line.startswith("ok") and "healthy: consistent" in line for line in lines)
    assert not [line for line in lines if line.startswith("FAILED")]
    assert limiters() == ["healthy"]
    assert limiter.status().held == 0


def test_only_the_limiter_that_is_named_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    kept = [Limiter(name, limit=1) for name in ("one", "two")]
    lines = doctor(capsys, "one")
    assert any("limiter one" in line for line in lines)
    assert not any("limiter two" in line for line in lines)
    del kept


def test_garbage_is_a_failure_that_says_what_to_do(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(segment.path_of("garbage"))
    path.write_bytes(os.urandom(8192))
    path.chmod(0o600)
    (line,) = [line for line in doctor(capsys, code=1) if line.startswith("FAILED")]
    assert "limiter garbage" in line
    assert "shmlimit destroy garbage --force" in line
    assert main(["destroy", "garbage", "--force"]) == 0
    assert list(directory.iterdir()) == []


def test_private_files_that_creators_left_are_named(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = directory / f".shmlimit.{os.geteuid()}.umans.0123456789abcdef"
    left.touch(mode=0o600)
    assert any(line.startswith("warning") and left.name in line for line in doctor(capsys))


def test_a_directory_that_others_may_write_is_a_failure(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory.chmod(0o777)
    assert main(["doctor"]) == 1
    out = capsys.readouterr()
    directory.chmod(0o700)
    assert "others may write there" in out.out + out.err


def _stay(name: str) -> None:
    limiter = Limiter(name, limit=1)
    say("here")
    hear()
    limiter.close()


def test_a_process_that_uses_a_removed_segment_is_named(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Worker(_stay, "removed") as worker:
        worker.hear()
        Path(segment.path_of("removed")).unlink()
        (line,) = [line for line in doctor(capsys) if "limiter removed" in line]
        assert line.startswith("warning")
        assert f"pid {worker.pid} " in line
        worker.say()
        assert worker.end() == 0
