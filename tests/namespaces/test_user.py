"""Other users, and users by another name: each has limiters of its own, and nobody can pass a file off as another's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import shmlimit
from shmlimit import Limiter, SegmentRefused, segment
from tests.lifecycle.books import all_is_free
from tests.namespaces import container
from tests.support.processes import Worker, hear, say

NOBODY = 65534


def _become(uid: int) -> None:
    # Whose home and current directory these are, that user may not look into.
    os.chdir("/")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _as_another(name: str) -> None:
    os.environ["SHMLIMIT_STATE_DIR"] = "/nowhere"
    _become(NOBODY)
    say(Path(segment.path_of(name)).name)
    say(name in shmlimit.limiters())
    limiter = Limiter(name, limit=3, cooldown=0)
    try:
        with limiter:
            say([limiter.limit, limiter.status().held])
            hear()
    finally:
        limiter.close()
        shmlimit.destroy(name, force=True)


def test_another_user_has_limiters_of_its_own(name: str) -> None:
    container.need_root()
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter, Worker(_as_another, name) as other:
        assert other.hear() == f"shmlimit.{NOBODY}.{name}"
        assert other.hear() is False
        assert other.hear() == [3, 1]
        assert limiter.status().held == 1
        other.say()
        assert other.end() == 0
    all_is_free(limiter)


def _squat(path: str, mode: int) -> None:
    _become(NOBODY)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    Path(path).write_bytes(b"not a segment")
    Path(path).chmod(mode)
    say()


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_file_that_another_user_made_under_our_name_is_refused_and_left_alone(name: str, mode: int) -> None:
    container.need_root()
    path = Path(segment.path_of(name))
    with Worker(_squat, str(path), mode) as squatter:
        squatter.hear()
    for attempt in (lambda: Limiter(name), lambda: Limiter(name, limit=2), lambda: shmlimit.status(name)):
        with pytest.raises(SegmentRefused, match=f"owner uid is {NOBODY}, expected {os.geteuid()}"):
            attempt()
    with pytest.raises(SegmentRefused):
        shmlimit.destroy(name, force=True)
    assert path.read_bytes() == b"not a segment"
    assert path.stat().st_mode & 0o777 == mode
    path.unlink()


def _look_into(name: str, directory: str) -> None:
    _become(NOBODY)
    os.environ["SHMLIMIT_DIR"] = directory
    try:
        Limiter(name, limit=1)
    except OSError as error:
        say([error.errno, directory in str(error)])


def test_another_users_directory_is_closed_and_the_error_names_it(name: str, tmp_path: Path) -> None:
    container.need_root()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with Worker(_look_into, name, str(private)) as other:
        assert other.hear() == [errno.EACCES, True]
    assert list(private.iterdir()) == []


def _rename_the_user(name: str, inside: int) -> None:
    """The same user, called `inside` by a user namespace."""
    outside = os.geteuid()
    container.unshare("user")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {outside} 1\n")
    os.environ["SHMLIMIT_STATE_DIR"] = "/nowhere"
    say(os.geteuid())
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter:
        say(limiter.limit)
        hear()
    limiter.close()
    if inside != outside:
        shmlimit.destroy(name)
    say("done")


def test_a_user_namespace_that_keeps_the_users_number_shares_its_limiters(name: str) -> None:
    container.need("user")
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_rename_the_user, name, os.geteuid()) as inside:
        assert inside.hear() == os.geteuid()
        assert inside.hear() == 1
        assert limiter.try_acquire() is None
        inside.say()
        assert inside.hear() == "done"
    all_is_free(limiter)


def test_a_user_namespace_that_renumbers_the_user_has_limiters_of_its_own(name: str) -> None:
    container.need("user")
    number = os.geteuid() + 1
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter, Worker(_rename_the_user, name, number) as inside:
        assert inside.hear() == number
        assert inside.hear() == 1  # held twice: the name of the file carries the number
        assert Path(segment.directory(), f"shmlimit.{number}.{name}").exists()
        inside.say()
        assert inside.hear() == "done"
    all_is_free(limiter)


def _lose_the_number(name: str) -> None:
    container.unshare("user")
    os.environ["SHMLIMIT_STATE_DIR"] = "/nowhere"
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter:
        say([os.geteuid(), limiter.status().held])
    limiter.close()
    shmlimit.destroy(name)
    say("done")


def test_a_user_whom_the_namespace_does_not_know_has_limiters_of_its_own(name: str) -> None:
    container.need("user")
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter, Worker(_lose_the_number, name) as worker:
        assert worker.hear() == [NOBODY, 1]
        assert worker.hear() == "done"
        assert limiter.status().held == 1
    all_is_free(limiter)
