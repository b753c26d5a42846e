"""One operation on a fresh limiter in another process, undisturbed or under a fault, and what is left of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import shmlimit
from shmlimit import Limiter, segment, statefile
from tests.faults import oracle
from tests.faults.operations import LIMIT, OPERATIONS, SLOTS
from tests.lifecycle.books import all_is_free

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.fault import Fault
    from tests.support.processes import Worker


@dataclass(frozen=True)
class Bench:
    """Where one operation is tried again and again.

    Attributes:
        worker: It runs subject.serve.
        operation: Its name.
        name: The limiter's.
        state: The directory of saved settings.
    """

    worker: Worker
    operation: str
    name: str
    state: Path

    def calls(self) -> dict[str, int]:
        """How often the operation makes each system call, undisturbed."""
        first = self._run(None)
        assert not first["outcome"]["kinds"], first
        calls: dict[str, int] = first["calls"]
        return {call: count for call, count in calls.items() if call not in OPERATIONS[self.operation].spared}

    def disturb(self, fault: Fault) -> dict[str, Any]:
        """What came of it under the fault; an AssertionError if anything is wrong then."""
        try:
            first = self._run(fault)
            wrong = oracle.complaint(fault, self.name, first["outcome"], first["stderr"])
            assert not wrong, wrong
            assert "Traceback" not in first["stderr"], first["stderr"]
        except AssertionError as error:
            raise AssertionError(f"{self.operation} under {fault}: {error}") from error
        outcome: dict[str, Any] = first["outcome"]
        return outcome

    def _run(self, fault: Fault | None) -> dict[str, Any]:
        if OPERATIONS[self.operation].is_created:
            Limiter(self.name, limit=LIMIT, cooldown=0, slots=SLOTS).close()
        order = {"operation": self.operation, "name": self.name, "fault": fault and fault.to_json()}
        self.worker.say(order)
        first = self._hear()
        again = self._hear()
        assert self.worker.hear() is None, "the subject goes on"
        assert not again["outcome"]["kinds"], f"it cannot be done again: {again['outcome']}"
        self._is_usable()
        self._clear()
        return first

    def _hear(self) -> dict[str, Any]:
        """What the subject says, and whether it has left anything; then let it go on."""
        found: dict[str, Any] | None = self.worker.hear()
        assert found is not None, "the subject hangs or was killed"
        assert not found["left"], f"left in the process: {found['left']}, after {found['outcome']}"
        assert not self._strays(), f"left behind: {self._strays()}, after {found['outcome']}"
        self.worker.say()
        return found

    def _strays(self) -> set[str]:
        segments = {entry for entry in os.listdir(segment.directory()) if self.name in entry}  # noqa: PTH208
        saved = set(os.listdir(self.state)) if self.state.exists() else set()  # noqa: PTH208
        usual = {f"shmlimit.{os.geteuid()}.{self.name}", f"{self.name}.json", f"{self.name}.poller.log"}
        return (segments | saved) - usual

    def _is_usable(self) -> None:
        """By somebody else: it is whole, nobody is in it, and all of its permits can be had."""
        saved = statefile.read(self.name)
        assert saved is None or saved.configured_limit == LIMIT, f"saved: {saved}"
        if self.name not in shmlimit.limiters():
            return
        limiter = Limiter(self.name)
        attachment = segment.attach(self.name)
        # Once there is a sample, what is taken back counts until the next one.
        if limiter.status().usage.count is None:
            all_is_free(limiter)
            permits = [limiter.acquire(timeout=0) for _ in range(limiter.limit or 0)]
            assert all([permit.release() for permit in permits]), "a permit was lost"  # noqa: C419  (all of them)
        assert not attachment.living()
        limiter.close()

    def _clear(self) -> None:
        if self.name in shmlimit.limiters():
            shmlimit.destroy(self.name, force=True)
        for left in self.state.glob("*"):
            left.unlink()
