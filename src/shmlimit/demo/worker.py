"""What a pool process does in the demo: one streamed call to the upstream at a time, under one kind of limit."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import httpx

import shmlimit

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Semaphore

_CALL_WITHIN = 120.0

_call_limited: Callable[[], None]
_client: httpx.Client


def begin(kind: str, url: str, name: str, semaphore: Semaphore | None) -> None:
    """Make this pool process ready, once."""
    global _call_limited, _client
    # Ctrl-C is for the demo, which ends its pools in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _client = httpx.Client(base_url=url, timeout=_CALL_WITHIN, trust_env=False)
    if kind == "shmlimit":
        limiter = shmlimit.Limiter(name)
        _call_limited = lambda: _with_limiter(limiter)  # noqa: E731
    elif semaphore is not None:
        _call_limited = lambda: _with_semaphore(semaphore)  # noqa: E731
    else:
        _call_limited = lambda: _wait_out(_call())  # noqa: E731


def work(number: int) -> int:
    """Do one call; the upstream's log, not this, says what came of it."""
    with contextlib.suppress(httpx.TransportError):
        _call_limited()
    return number


def _with_limiter(limiter: shmlimit.Limiter) -> None:
    with limiter.permit(label=f"worker {os.getpid()}") as permit:
        retry_after = _call()
        if retry_after is not None:
            limiter.report_429(retry_after, permit)


def _with_semaphore(semaphore: Semaphore) -> None:
    with semaphore:
        retry_after = _call()
    _wait_out(retry_after)


def _wait_out(retry_after: float | None) -> None:
    if retry_after is not None:
        time.sleep(retry_after)


def _call() -> float | None:
    """One session, read to its last byte; the Retry-After of a 429, else None."""
    request: dict[str, Any] = {
        "model": "emulated-model",
        "stream": True,
        "user": str(os.getpid()),
        "messages": [{"role": "user", "content": "Write a story."}],
    }
    with _client.stream("POST", "/v1/chat/completions", json=request) as response:
        for _ in response.iter_bytes():
            pass
    return float(response.headers.get("Retry-After", 1)) if response.status_code == 429 else None
