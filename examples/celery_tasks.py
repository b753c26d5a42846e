"""Celery tasks behind one limit, in the prefork workers of this host.

    pip install shmlimit celery
    celery --workdir examples -A celery_tasks worker --concurrency 4 &
    python examples/celery_tasks.py 0.2 0.2 0.2 0.2

The broker and the results are directories here, so that no server is needed; Redis and RabbitMQ go as well. Kill a
worker in the middle of a task: the task fails with WorkerLostError, its permit comes back.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from celery import Celery
from celery.exceptions import WorkerLostError

from shmlimit import Limiter

FOLDER = Path(os.environ.get("FOLDER", f"{tempfile.gettempdir()}/shmlimit-celery-example"))
for part in ("queue", "control", "results"):
    (FOLDER / part).mkdir(parents=True, exist_ok=True)

app = Celery("celery_tasks", broker="filesystem://", backend=f"file://{FOLDER}/results")
app.conf.broker_transport_options = {
    "data_folder_in": FOLDER / "queue",
    "data_folder_out": FOLDER / "queue",
    "control_folder": FOLDER / "control",
}
app.conf.worker_prefetch_multiplier = 1

# Opened before the prefork: it works in the children, each of which is a participant of its own.
limiter = Limiter(os.environ.get("LIMITER", "celery-example"), limit=2)


@app.task
def call(seconds: float) -> int:
    """Stand for a call of the upstream: how many were under way at its end."""
    with limiter.permit(label=f"{seconds:g} s"):
        time.sleep(seconds)
        return limiter.status().held


def main(durations: list[float]) -> None:
    """Have the workers make one call of each duration."""
    at_once = [0]
    for result in [call.delay(seconds) for seconds in durations]:
        try:
            at_once.append(result.get(timeout=120, interval=0.05))
        except WorkerLostError:
            print("a worker was killed")
    print(f"{len(at_once) - 1} of {len(durations)} calls answered, at most {max(at_once)} at once")


if __name__ == "__main__":
    main([float(text) for text in sys.argv[1:]] or [0.2] * 16)
