"""One limit for the workers of joblib (its own pool of processes, loky).

    pip install shmlimit joblib
    python examples/joblib_parallel.py 0.2 0.2 0.2 0.2

Kill a worker in the middle of a call: joblib gives up the batch and ends the other workers. All their permits come
back, and the next batch gets new workers.
"""

from __future__ import annotations

import os
import sys
import time

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from shmlimit import Limiter

WORKERS = 4

# joblib sends it to its workers with the function: a Limiter pickles, by name.
limiter = Limiter(os.environ.get("LIMITER", "joblib-example"), limit=2)


def call(seconds: float) -> int:
    """Stand for a call of the upstream: how many were under way at its end."""
    with limiter.permit(label=f"{seconds:g} s"):
        time.sleep(seconds)
        return limiter.status().held


def main(durations: list[float]) -> None:
    """Make one call of each duration, in batches of as many as there are workers."""
    at_once = [0]
    for start in range(0, len(durations), WORKERS):
        try:
            at_once += Parallel(n_jobs=WORKERS)(
                delayed(call)(seconds) for seconds in durations[start : start + WORKERS]
            )
        except TerminatedWorkerError:
            print("a worker was killed")
    print(f"{len(at_once) - 1} of {len(durations)} calls answered, at most {max(at_once)} at once")


if __name__ == "__main__":
    main([float(text) for text in sys.argv[1:]] or [0.2] * 16)
