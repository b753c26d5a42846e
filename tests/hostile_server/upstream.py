"""An upstream that keeps to nothing, and comes back to its senses when the test says so."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.usage.hostile_server import Exchange, HangUp, HostileServer, Script, answer, shut

COUNT = 9
"""What it counts in its good hours: more than any limiter here allows, so that the poller asks as often as it may."""

Greeting = Callable[[socket.socket], object]


def be_good(exchange: Exchange) -> None:
    exchange.send(answer({"n": COUNT}))


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what people are told.

    Attributes:
        reason: A regular expression for the reason in the limiter's status.
        script: What is done with a request.
        greeting: What is done with a connection instead, before anything was read from it.
    """

    reason: str
    script: Script = be_good
    greeting: Greeting | None = None


class Upstream(HostileServer):
    """Serves well until it has a fault."""

    def __init__(self) -> None:
        super().__init__(be_good)
        self._greeting: Greeting | None = None
        self._hanging_up = threading.Lock()

    def have(self, fault: Fault) -> None:
        self.script, self._greeting = fault.script, fault.greeting
        if fault.greeting is not None:
            self._hang_up()

    def recover(self) -> None:
        self.script, self._greeting = be_good, None

    @property
    def is_asked(self) -> bool:
        """Whether somebody has said what it waits for: a request, or nothing while it greets by itself."""
        return bool(self.exchanges if self._greeting is None else self.connections)

    def _hang_up(self) -> None:
        """Close what connections there are, so that the next poll opens one."""
        with self._hanging_up:
            for connection in self._open:
                shut(connection)

    def _serve(self, connection: socket.socket) -> None:
        if self._greeting is None:
            super()._serve(connection)
            return
        with connection, contextlib.suppress(OSError, HangUp):
            self._greeting(connection)
