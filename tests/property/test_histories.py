"""What several processes are answered at the same time could have been answered one after another."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from shmlimit import Limiter, segment
from tests.property import programs
from tests.property.history import history, told
from tests.property.linearization import linearization
from tests.property.specification import State
from tests.support.processes import HANG, Worker, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

_BATCH = 25
_BATCHES = 84


class Crew:
    """Processes that run programs together; use it as a context manager, so that they are gone at the end."""

    def __init__(self, name: str, size: int, meeting_file: Path) -> None:
        meeting_file.write_bytes(bytes(4096))
        self._stack = ExitStack()
        self.workers = [
            self._stack.enter_context(Worker(programs.run, name, str(meeting_file), index, size))
            for index in range(size)
        ]
        for worker in self.workers:
            assert worker.hear() == "ready"

    def begin(self, batch: list[programs.Program]) -> None:
        for worker in self.workers:
            worker.say(batch)

    def end(self) -> list[tuple[list[list[object]], ...]]:
        """For each program of the batch the logs of all processes."""
        return list(zip(*(worker.hear(HANG) for worker in self.workers), strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


def test_what_processes_are_answered_at_the_same_time_has_an_order(
    name: str, first_seed: int, seconds: float | None, tmp_path: Path
) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=None, slots=64)
    end = time.monotonic() + (seconds or 0) / 2  # the other half is the reference's
    explained = 0
    with ExitStack() as stack:
        crews = [stack.enter_context(Crew(name, size, tmp_path / f"meeting-{size}")) for size in (2, 3, 4)]
        seed = first_seed
        while seed < first_seed + _BATCHES if seconds is None else time.monotonic() < end:
            chance, crew = random.Random(seed), crews[seed % len(crews)]
            batch = [programs.program(chance, len(crew.workers)) for _ in range(_BATCH)]
            crew.begin(batch)
            for number, (program, logs) in enumerate(zip(batch, crew.end(), strict=True)):
                done = programs.operations(program, list(logs))
                order = linearization(history(done), State(program["limit"] * 1000))
                assert order is not None, (
                    f"--hypothesis-seed {seed}, program {number}, limit {program['limit']}: no order of\n{told(done)}"
                )
                explained += 1
            seed += 1
    print(f"{explained} histories of 2 to 4 processes explained, from seed {first_seed}")
    wait_for(segment.attach(name).audit)
    now = limiter.status()
    assert (now.held, now.queued, now.counters.self_heals) == (0, 0, 0)
