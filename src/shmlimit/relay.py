"""The thread that wakes this process's event loops: one for each attachment, while any loop waits."""

from __future__ import annotations

import os
import threading

from shmlimit import _core

# How long the thread outlives the last waiter, so that a busy program does not start one for each wait. It keeps the
# attachment, and with it the participant, that much longer.
_LINGER = 1.0


class Relay:
    """Connects event loops of one attachment to its bell, and runs the thread that listens to it."""

    def __init__(self, attachment: _core.Attachment) -> None:
        self._relay = _core.Relay(attachment)
        self._lock = threading.Lock()
        self._loops = 0
        self._is_running = False
        self.pid = os.getpid()

    def join(self) -> int:
        """Return an eventfd that becomes readable now, and whenever a waiter of this process is woken."""
        with self._lock:
            channel = self._relay.connect()
            self._loops += 1
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._listen, name="shmlimit-relay", daemon=True).start()
        os.eventfd_write(channel, 1)
        return channel

    def part(self, channel: int) -> None:
        """Give back an eventfd."""
        with self._lock:
            self._relay.disconnect(channel)
            self._loops -= 1

    def _listen(self) -> None:
        while True:
            self._relay.run(round((_core.now() + _LINGER) * 1e6))
            with self._lock:
                if not self._loops:
                    self._is_running = False
                    return
