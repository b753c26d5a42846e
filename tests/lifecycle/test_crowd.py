"""Every entry of the participant table taken, and processes that come and go in numbers."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import shmlimit
from shmlimit import Limiter, LimiterInUse, LimiterNotFound, ParticipantsFull, _core, segment
from tests.support.processes import Worker, hear, say, wait_for

PARTICIPANTS = 1024


def _attach(path: str, count: int) -> None:
    kept = [_core.Attachment(path) for _ in range(count)]
    say(len(kept))
    hear()


def test_a_full_table_is_destroyed_by_force_alone(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slots=4)
    path = segment.path_of(name)
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(_attach, path, count)) for count in (400, 400, PARTICIPANTS - 801)]
        for worker in workers:
            worker.hear()
        with pytest.raises(ParticipantsFull):
            _core.Attachment(path)
        assert limiter.acquire(timeout=0).release()  # who is in works on
        with pytest.raises(LimiterInUse, match=name):
            shmlimit.destroy(name)
        assert name in shmlimit.limiters()
        shmlimit.destroy(name, force=True)
        with pytest.raises(LimiterNotFound):
            Limiter(name)
        second = Limiter(name, limit=1, cooldown=0)
        assert second.acquire(timeout=0).release()


def test_entries_are_used_again_however_many_come_and_go(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0, slots=4)
    path = segment.path_of(name)
    for _ in range(PARTICIPANTS + 100):
        attachment = _core.Attachment(path)
        assert attachment.inode == segment.attach(name).inode
        del attachment
    assert segment.attach(name).living() == []
    assert limiter.status().counters.self_heals == 0


def _fork_among_threads(name: str, children: int) -> None:
    limiter = Limiter(name)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            with limiter:
                pass

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    exits = []
    for _ in range(children):
        child = os.fork()
        if not child:
            with limiter.permit(timeout=60) as permit:
                alone = permit.release() and not permit.lost
            os._exit(0 if alone else 1)
        exits.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    over.set()
    for thread in threads:
        thread.join()
    now = limiter.status()
    say([exits, now.held, now.queued, now.in_flight])


def test_a_process_may_fork_while_its_threads_acquire_and_release(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_fork_among_threads, name, 40) as worker:
        exits, held, queued, in_flight = worker.hear()
        assert worker.end() == 0
    assert exits == [0] * 40
    assert (held, queued, in_flight) == (0, 0, 0.0)
    assert wait_for(segment.attach(name).audit)
    assert limiter.acquire(timeout=0).release()


def _create_and_stop_half_way(name: str) -> None:
    from shmlimit.settings import Settings

    format_whole = Settings.format

    def format_and_stop(self: Settings, fd: int, path: str) -> None:
        format_whole(self, fd, path)
        say("filled in, without its name")
        hear()

    Settings.format = format_and_stop  # type: ignore[method-assign]
    Limiter(name, limit=7)


def test_a_creator_killed_half_way_leaves_no_limiter_and_its_file_goes_when_it_is_old(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def private() -> list[str]:
        return [entry.name for entry in Path(segment.directory()).glob(f".*{name}*")]

    with Worker(_create_and_stop_half_way, name) as creator:
        creator.hear()
        creator.kill()
    assert name not in shmlimit.limiters()
    with pytest.raises(LimiterNotFound):
        Limiter(name)
    assert len(private()) == 1
    limiter = Limiter(name, limit=2, cooldown=0)
    assert limiter.limit == 2
    assert len(private()) == 1  # it might be at work still
    limiter.close()
    shmlimit.destroy(name)
    monkeypatch.setattr(segment, "_ABANDONED_AFTER", -1.0)
    Limiter(name, limit=2)
    assert private() == []
