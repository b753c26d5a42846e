"""Worker processes against an emulated upstream, and what its own log says of them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx

from shmlimit import Limiter
from shmlimit.emulate import EmulatorProcess, EmulatorSettings
from shmlimit.httpx import LimitedTransport, PermitTimeout
from shmlimit.usage import preset, providers
from tests.support.processes import HANG, Worker, hear, say, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

    from shmlimit import Status

Record = dict[str, Any]
PATIENCE = 2.0
# Long for a call from its permit to the upstream, also on a busy machine.
UNDER_WAY = 2.0


def work(name: str, first: float, others: float) -> None:
    """In a worker: one call after the other, from when it is told where until it is told to stop."""
    # What takes long on a busy machine is done before.
    sending = httpx.HTTPTransport()
    providers()
    say("ready")
    url = hear()
    # Not for ever, so that it hears when it is to stop.
    transport = LimitedTransport(Limiter(name), sending, provider="umans", timeout=PATIENCE)
    since = time.time()
    body = {"user": str(os.getpid()), "duration": first, "stream": True}
    with httpx.Client(base_url=url, transport=transport, timeout=HANG) as client:
        while not _is_told_to_stop():
            with contextlib.suppress(PermitTimeout):
                # Who was not served in time comes again in its old turn.
                client.post("/v1/chat/completions", json=body, extensions={"shmlimit": {"since": since}})
                body["duration"] = others
                since = time.time()
    say("done")


def _is_told_to_stop() -> bool:
    return bool(select.select([int(sys.argv[4])], [], [], 0)[0])


class Crew:
    """Workers that call an upstream through one limiter, until the block ends.

    Args:
        name: The limiter's name.
        settings: What the upstream is like; it keeps a log.
        workers: How many.
        duration: Seconds that each call lasts.
        first: Seconds that the first one of each worker lasts; None: as the others.
        **limiter: Arguments of the limiter.
    """

    def __init__(
        self,
        name: str,
        settings: EmulatorSettings,
        *,
        workers: int = 8,
        duration: float,
        first: float | None = None,
        **limiter: Any,
    ) -> None:
        assert settings.truth is not None
        self._name = name
        self._settings = settings
        self._truth: Path = settings.truth
        self._options = limiter
        self._workers = [Worker(work, name, duration if first is None else first, duration) for _ in range(workers)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for worker in self._workers:
            self._stack.enter_context(worker)
        for worker in self._workers:
            assert worker.hear() == "ready"
        self.url = self._stack.enter_context(EmulatorProcess(self._settings)).url
        self._limiter = Limiter(self._name, usage=preset("umans", url=f"{self.url}/v1/usage"), **self._options)
        for worker in self._workers:
            worker.say(self.url)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def work_until(self, holds: Callable[[list[Record]], object]) -> list[Record]:
        """Let them work until the log so far *holds*, let them finish, and return all of it."""
        wait_for(lambda: holds(self.log()), 2 * HANG)
        for worker in self._workers:
            worker.say("stop")
        for worker in self._workers:
            assert worker.hear() == "done"
        return self.log()

    def log(self) -> list[Record]:
        """What really happened so far."""
        lines = self._truth.read_bytes().split(b"\n")[:-1] if self._truth.exists() else []
        return [json.loads(line) for line in lines]

    def status(self) -> Status:
        """The limiter, now."""
        return self._limiter.status()


def own(log: list[Record], event: str, **members: object) -> list[Record]:
    """Those records of ours of one kind that have these members."""
    return [
        record
        for record in log
        if record["event"] == event
        and record["own"] is not False
        and all(record.get(key) == value for key, value in members.items())
    ]


def began(log: list[Record]) -> float:
    """When the first of ours was asked for; infinity before."""
    return min((record["t"] for record in log if record["own"]), default=math.inf)


def after(log: list[Record], t: float) -> list[Record]:
    """The part of a log after a time."""
    return [record for record in log if record["t"] > t]


def at_work(log: list[Record]) -> list[tuple[float, int]]:
    """How many of ours were in flight from each time on."""
    now, course = 0, []
    for record in log:
        if record["own"] and record["event"] in ("start", "end"):
            now += 1 if record["event"] == "start" else -1
            course.append((record["t"], now))
    return course


def completed(log: list[Record]) -> int:
    """How many of ours ended with their last byte."""
    return len(own(log, "end", outcome="completed"))


def heard(log: list[Record], t: float) -> float | None:
    """When a reading that was taken after a time had surely reached everybody; None: not yet.

    The poller asks again only when what it was told has been written. A call that had its permit by then may take its
    time to the upstream.
    """
    told = [record["t"] for record in after(log, t) if record["event"] == "usage"]
    late = told[1] + UNDER_WAY if len(told) > 1 else None
    return late if late is not None and log[-1]["t"] > late else None
