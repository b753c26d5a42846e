"""An operation in which a process is killed or stopped, and what the process and the world around it do before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shmlimit import _core, segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit import Limiter, Permit

LIMIT = 2
SLOTS = 8


@dataclass
class Doomed:
    """The process that dies, as it sees itself."""

    name: str
    limiter: Limiter | None = None
    permits: list[Permit] = field(default_factory=list)

    @property
    def attachment(self) -> _core.Attachment:
        return segment.attach(self.name)

    def take(self) -> Permit:
        assert self.limiter is not None
        permit = self.limiter.try_acquire()
        assert permit is not None
        return permit


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: What it does.
        act: The operation. The permit that it returns is held.
        prepare: What the process has done before.
        before: What another process, which survives, has done before that.
        arrange: What it has done after that.
        wake: What the survivor does once the process sleeps.
        limit: The most permits that may be held at any time.
        is_timed: How it goes depends on how long it takes: it may not come where it came before.
    """

    name: str
    act: Callable[[Doomed], object]
    prepare: Callable[[Doomed], None]
    arrange: Callable[[Any], None] | None = None
    before: Callable[[Any], None] | None = None
    wake: Callable[[Any], None] | None = None
    limit: int = LIMIT
    is_timed: bool = False
