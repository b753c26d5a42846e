"""Emulators in processes of their own, and truth logs to check them by."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest

from shmlimit.emulate import EmulatorProcess, EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Only a guard against hangs.
GUARD = 60.0


class Upstream:
    """A running emulator with a client for it."""

    def __init__(self, emulator: EmulatorProcess, client: httpx.Client) -> None:
        self.emulator = emulator
        self.client = client

    def work(self, duration: float, *, stream: bool = False, user: str | None = None) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=work_body(duration, stream=stream, user=user))

    def truth(self) -> dict[str, Any]:
        answer = self.client.get("/truth")
        assert answer.status_code == 200
        numbers: dict[str, Any] = answer.json()
        return numbers

    def reported(self) -> int:
        number = self.client.get("/v1/usage").raise_for_status().json()["usage"]["concurrent_sessions"]
        assert isinstance(number, int)
        return number

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for the truth until it *holds*."""
        deadline = time.monotonic() + GUARD
        while not holds(truth := self.truth()):
            assert time.monotonic() < deadline, f"still {truth}"
        return truth

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The truth log so far."""
        assert self.emulator.truth_path is not None
        return read_events(self.emulator.truth_path, kind)


class StartUpstream(Protocol):
    def __call__(self, **settings: Any) -> Upstream: ...


def work_body(duration: float, *, stream: bool, user: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "m", "messages": [], "stream": stream, "duration": duration}
    return body if user is None else {**body, "user": user}


def read_events(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [event for event in events if kind is None or event["event"] == kind]


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[StartUpstream]:
    """Start emulators that end with the test."""
    with ExitStack() as resources:

        def start(**settings: Any) -> Upstream:
            settings.setdefault("truth", tmp_path / "truth.jsonl")
            settings.setdefault("seed", 1)
            emulator = resources.enter_context(EmulatorProcess(EmulatorSettings(**settings)))
            client = resources.enter_context(httpx.Client(base_url=emulator.url, timeout=GUARD, trust_env=False))
            return Upstream(emulator, client)

        yield start
