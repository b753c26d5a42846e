"""Who makes the storm: keeps the callers at their number, does to them what the seed says, and looks on."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from shmlimit import Limiter, _core, segment
from tests.storm.journal import DIRECTOR, OVER, Journal
from tests.storm.nursery import nurse
from tests.support.processes import Worker

if TYPE_CHECKING:
    from typing_extensions import Self

    from tests.storm.course import Course

PULSE = 0.01
HANG = 30.0
_STOPPED_MAX = 0.8
_PAUSED_MAX = 0.06
_SWEEP_EVERY = 10
_ANOTHER_POLLS = 1 << 8


class Director:
    """The one process that kills, stops and changes; use it as a context manager, so that all is gone at the end.

    Args:
        directory: Where the journals go.
        name: The limiter's.
        course: What is done, and how often.
        seed: Of the director's chances, and of those of every caller it starts.
    """

    def __init__(self, directory: Path, name: str, course: Course, seed: int) -> None:
        self._directory = directory
        self._name = name
        self._course = course
        self._chance = random.Random(seed)
        self._journal = Journal(directory, DIRECTOR)
        self._callers: list[int] = []
        self._stopped: dict[int, float] = {}
        self._killed: set[int] = set()
        self._deeds = {
            "kill": self._kill,
            "stop": self._stop,
            "cancel": self._cancel,
            "limit": lambda: self._set_limit(self._chance.choice(course.limits)),
            "reset": self._reset,
            "configure": self._configure,
            "pause": lambda: self._pause(self._chance.random() * _PAUSED_MAX),
            "kill poller": self._kill_poller,
            "stop poller": self._stop_poller,
            "recreate": self._recreate,
            "remove": self._remove,
        }
        self._create()
        self._nursery = Worker(nurse, str(directory), name, course.name, start_new_session=True)
        self._nursery.hear()

    def run(self, seconds: float) -> None:
        """Storm for so long, then let everybody finish."""
        for _ in range(self._course.callers):
            self._start()
        end = time.monotonic() + seconds
        pulses = 0
        while time.monotonic() < end:
            for deed, rate in self._course.deeds.items():
                if self._chance.random() < rate * PULSE:
                    self._deeds[deed]()
            self._continue(time.monotonic())
            if pulses % _SWEEP_EVERY == 0:
                self._replace()
            pulses += 1
            self._look(segment.attach(self._name))
            time.sleep(PULSE)
        self._calm()

    def _look(self, attachment: _core.Attachment) -> None:
        """Write down who is seen waiting and holding, and check the invariants."""
        begun = time.monotonic_ns()
        _, occupants = attachment.snapshot()
        self._journal.write(
            "seen",
            begun,
            [one["label"] for one in occupants if one["waiting"]],
            [one["label"] for one in occupants if not one["waiting"]],
        )
        attachment.audit()

    def _create(self) -> None:
        course = self._course
        self._limiter = Limiter(
            self._name,
            limit=course.limit,
            cooldown=course.cooldowns[0],
            slot_timeout=course.slot_timeout,
            slots=course.slots,
            usage=course.usage,
        )
        self._journal.write("created", segment.attach(self._name).inode)

    def _start(self) -> None:
        self._nursery.say(["start", self._chance.getrandbits(32)])
        self._callers.append(self._nursery.hear())

    def _replace(self) -> bool:
        """Whether anybody lives on, but for those that are started in place of the dead."""
        self._nursery.say(["ended"])
        ended = self._nursery.hear(HANG)
        for pid, status in ended:
            fine = {int(signal.SIGKILL) if pid in self._killed else 0}
            self._killed.discard(pid)
            self._stopped.pop(pid, None)
            if pid in self._callers:
                self._callers.remove(pid)
                if not (self._directory / OVER).exists():
                    self._start()
            elif self._course.usage is not None:
                fine.add(_ANOTHER_POLLS)
            assert status in fine, f"process {pid} ended with status {status}"
        return [0, 0] in ended

    def _calm(self) -> None:
        """End the storm; everybody must come to their end by themselves."""
        (self._directory / OVER).touch()
        self._continue(float("inf"))
        self._set_limit(self._course.limit)
        self._pause(0)
        self._limiter.cooldown = self._course.cooldowns[0]
        end = time.monotonic() + HANG
        while self._replace():
            self._look(segment.attach(self._name))
            if not self._callers:
                self._kill_poller()  # which would stay for half a minute
            assert time.monotonic() < end, f"not all come to their end: {self._limiter.status()}"
            time.sleep(PULSE)

    def _kill(self) -> None:
        pid = self._chance.choice(self._callers)
        self._killed.add(pid)
        self._journal.write("kill", pid)
        os.kill(pid, signal.SIGKILL)

    def _kill_poller(self) -> None:
        if (pid := self._limiter.status().poller) is not None:
            self._killed.add(pid)
            self._journal.write("kill poller")
            os.kill(pid, signal.SIGKILL)

    def _stop_poller(self) -> None:
        if (pid := self._limiter.status().poller) is not None:
            self._stop_process(pid)

    def _stop(self) -> None:
        self._stop_process(self._chance.choice(self._callers))

    def _stop_process(self, pid: int) -> None:
        self._journal.write("stop", pid)
        os.kill(pid, signal.SIGSTOP)
        self._stopped[pid] = time.monotonic() + self._chance.random() * _STOPPED_MAX

    def _continue(self, now: float) -> None:
        for pid in [pid for pid, until in self._stopped.items() if until <= now]:
            del self._stopped[pid]
            os.kill(pid, signal.SIGCONT)
            self._journal.write("continued", pid)

    def _cancel(self) -> None:
        self._journal.write("cancel")
        os.kill(self._chance.choice(self._callers), signal.SIGUSR1)

    def _configure(self) -> None:
        self._journal.write("configure")
        self._limiter.cooldown = self._chance.choice(self._course.cooldowns)

    def _set_limit(self, limit: int) -> None:
        self._journal.write("set", limit)
        self._limiter.limit = limit
        self._journal.write("was set")

    def _reset(self) -> None:
        self._journal.write("reset")
        self._limiter.reset()
        self._journal.write("was reset")

    def _pause(self, seconds: float) -> None:
        self._journal.write("pause", seconds)
        self._limiter.pause(seconds)
        self._journal.write("paused")

    def _recreate(self) -> None:
        attachment = segment.attach(self._name)
        self._journal.write("retire")
        segment.destroy(self._name, force=True)
        self._journal.write("retired")
        self._look(attachment)  # who waits there now is never admitted
        self._create()

    def _remove(self) -> None:
        """As a person's `rm` does, without a word to those who use it."""
        self._journal.write("remove")
        Path(segment.path_of(self._name)).unlink()
        self._create()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        # The nursery leads a session of its own, in which all are that it started, and theirs.
        with suppress(ProcessLookupError):
            os.killpg(self._nursery.pid, signal.SIGKILL)
        self._nursery.__exit__()
        self._journal.close()
