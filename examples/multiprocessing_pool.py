"""One limit for the workers of a multiprocessing.Pool, however they are started.

    pip install shmlimit
    python examples/multiprocessing_pool.py spawn 0.2 0.2 0.2 0.2        # or fork, or forkserver

Kill a worker in the middle of a call: its permit comes back. The Pool replaces the worker, but never answers the call:
hence the time-out.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time

from shmlimit import Limiter

WORKERS = 4
PATIENCE = float(os.environ.get("PATIENCE", "60"))

# Created by the first process that comes here, and the same limit in all others.
limiter = Limiter(os.environ.get("LIMITER", "pool-example"), limit=2)


def call(seconds: float) -> int:
    """Stand for a call of the upstream: how many were under way at its end."""
    with limiter.permit(label=f"{seconds:g} s"):
        time.sleep(seconds)
        return limiter.status().held


def main(method: str, durations: list[float]) -> None:
    """Make one call of each duration."""
    at_once = [0]
    with multiprocessing.get_context(method).Pool(WORKERS) as pool:
        answers = pool.imap_unordered(call, durations)
        try:
            while len(at_once) <= len(durations):
                at_once.append(answers.next(timeout=PATIENCE))
        except multiprocessing.TimeoutError:
            print("a worker was killed")
    print(f"{len(at_once) - 1} of {len(durations)} calls answered, at most {max(at_once)} at once")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "spawn", [float(text) for text in sys.argv[2:]] or [0.2] * 16)
