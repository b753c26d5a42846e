"""One limit for the workers of a ProcessPoolExecutor, however they are started.

    pip install shmlimit
    python examples/process_pool_executor.py spawn 0.2 0.2 0.2 0.2       # or fork, or forkserver

Kill a worker in the middle of a call: the executor ends the others and breaks. All their permits come back, and a new
executor makes the calls that were not answered once more.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, wait

from shmlimit import Limiter

WORKERS = 4
TRIES = 2

# Created by the first process that comes here, and the same limit in all others.
limiter = Limiter(os.environ.get("LIMITER", "executor-example"), limit=2)


def call(seconds: float) -> int:
    """Stand for a call of the upstream: how many were under way at its end."""
    with limiter.permit(label=f"{seconds:g} s"):
        time.sleep(seconds)
        return limiter.status().held


def main(method: str, durations: list[float]) -> None:
    """Make one call of each duration."""
    at_once = [0]
    left = durations
    for _ in range(TRIES):
        with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context(method)) as executor:
            futures = {executor.submit(call, seconds): seconds for seconds in left}
            wait(futures)
        at_once += [future.result() for future in futures if future.exception() is None]
        left = [seconds for future, seconds in futures.items() if future.exception() is not None]
        if not left:
            break
        print("a worker was killed")
    print(f"{len(at_once) - 1} of {len(durations)} calls answered, at most {max(at_once)} at once")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "spawn", [float(text) for text in sys.argv[2:]] or [0.2] * 16)
