"""What processes do with a limiter while the tests look for the key: each talks to its test as a worker."""

from __future__ import annotations

import logging
import pickle
import sys
from typing import Any

from shmlimit import Limiter
from shmlimit.usage import HttpUsage, UsageError
from tests.support.processes import HANG, hear, say


def usage_of(url: str, auth: str | None, **options: Any) -> HttpUsage:
    """The source of all these tests: it reads reasons, and takes 403 for a block."""
    return HttpUsage(
        url, in_flight="/n", auth=auth, blocked_status=[403], blocked_reason="/why", min_interval=0.05, **options
    )


def _talkative() -> None:
    """Log everything, and tell of every program that is started, with its arguments."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"subprocess.Popen", "os.exec", "os.posix_spawn"}:
            print("starts", arguments[1], file=sys.stderr)

    sys.addaudithook(hook)


def create_and_hold(name: str, url: str, auth: str) -> None:
    """The program that creates the limiter: it knows where the key is, and never reads it."""
    _talkative()
    usage = usage_of(url, auth)
    limiter = Limiter(name, limit=1, cooldown=0.05, usage=usage)
    permit = limiter.acquire(timeout=0, label="holder")
    print(
        repr(usage), str(usage), usage.to_config(), pickle.dumps(usage), repr(limiter), repr(permit), limiter.status()
    )
    say("held")
    hear()
    permit.release()
    say("released")
    hear()


def wait_and_hold(name: str) -> None:
    """A program that waits for its turn; the first one starts the poller, in its own environment."""
    _talkative()
    limiter = Limiter(name)
    with limiter.acquire(timeout=HANG, on_queued=lambda: say("queued")) as permit:
        print(repr(limiter), repr(permit), limiter.status())
        say("held")
        hear()
    say("released")
    hear()


def fail_in_every_way(url: str, auth: str, polls: int) -> None:
    """A program that polls by itself, logs each failure with its traceback, and dies of the last."""
    _talkative()
    source = usage_of(url, auth, timeout=2)
    for _ in range(polls):
        try:
            source.get_usage()
        except UsageError as error:
            logging.getLogger("program").exception("no reading: %r %s", error, pickle.dumps(error))
    source.get_usage()
