"""An emulator in a process of its own, for tests and for the demo."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, cast

from shmlimit.emulate.settings import EmulatorSettings

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

# Only guards against hangs; a loaded machine may well need seconds.
START_WITHIN = 60.0
STOP_WITHIN = 10.0


class EmulatorError(RuntimeError):
    """The emulator process ended, or said nothing, before it was ready; the message holds what it printed."""


class EmulatorProcess:
    """A running emulator: started on construction, ended at the end of the block.

    Ends by itself if the process that started it dies.

        with EmulatorProcess(EmulatorSettings(limit=4)) as emulator:
            httpx.get(emulator.url + "/v1/usage")
    """

    def __init__(self, settings: EmulatorSettings | None = None) -> None:
        """Start the process, blocking until it answers requests.

        Args:
            settings: What the upstream is like; None is the default one.

        Raises:
            EmulatorError: It ended before it was ready, or was not ready within a minute.
        """
        self.settings = settings or EmulatorSettings()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "shmlimit.emulate", "--ready-json", "--until-stdin-closes"),
                *self.settings.to_arguments(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # A Ctrl-C at the terminal is for the program that started this, which stops it in its own order.
            start_new_session=True,
        )
        try:
            self._url = str(self._read_ready_line()["url"])
        except BaseException:
            self._end()
            raise

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self._url

    @property
    def pid(self) -> int:
        """The process id, valid until `stop`."""
        return self._process.pid

    @property
    def truth_path(self) -> Path | None:
        """The ground-truth log, complete after `stop`; None when none is kept."""
        return self.settings.truth

    def stop(self) -> None:
        """End the process, blocking until it has ended; stopping it again changes nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_WITHIN)
        self._end()

    def __enter__(self) -> Self:
        """Give the running emulator."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.stop()

    def _read_ready_line(self) -> dict[str, Any]:
        output = cast("IO[bytes]", self._process.stdout)
        readable, _, _ = select.select([output], [], [], START_WITHIN)
        line = output.readline() if readable else b""
        if line:
            return cast("dict[str, Any]", json.loads(line))
        if readable:
            self._process.wait(STOP_WITHIN)
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip() or "nothing"
        how = f"not ready within {START_WITHIN:g} s" if not readable else f"exit code {self._process.returncode}"
        raise EmulatorError(f"the emulator did not start ({how}); it printed: {said}")

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            cast("IO[bytes]", pipe).close()
