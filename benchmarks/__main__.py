"""`python -m benchmarks [--quick] [--json FILE]`: run them all, print the figures beside their targets."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import environment, footprint, handoff, pairs, reclaim


def main() -> None:
    """Measure and print. A missed target is printed, not an error: figures depend on the machine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: a smoke test, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    scale = 1 if arguments.quick else 10
    print(environment.line())

    uncontended = pairs.measure(20 * scale)
    for name, row in uncontended.items():
        print(f"{name:50} min {row['min']:7.0f} ns   median {row['median']:7.0f} ns")
    ours, theirs, ours_with, theirs_with = uncontended.values()
    _target("try_acquire() + release() over the semaphore's, of minima", ours["min"] / theirs["min"], 2.0)
    _target("with limiter over with semaphore, of minima", ours_with["min"] / theirs_with["min"], 1.0)

    parked = handoff.measure(50 * scale)
    for name, row in parked.items():
        print(f"handoff {name:42} median {row['median']:5.0f} us   p95 {row['p95']:5.0f} us   p99 {row['p99']:5.0f} us")
    _target(
        "handoff over the semaphore's, of medians",
        parked["shmlimit"]["median"] / parked["multiprocessing.Semaphore"]["median"],
        2.0,
    )

    back = reclaim.measure(10 * scale)
    print(f"reclaim after SIGKILL, parked waiter: median {back['median']:.0f} ms, p99 {back['p99']:.0f} ms")
    _target("reclaim p99, ms", back["p99"], 150.0)

    size = footprint.measure(3 * scale)
    _target("default segment, bytes", size["segment_bytes"], 2.0**20)
    _target("import shmlimit, ms", size["import_ms"], 60.0)
    _target("httpx, click, rich imported by it", size["heavy_imports"], 0.0)
    if arguments.json:
        figures = {"pairs": uncontended, "handoff": parked, "reclaim": back, "footprint": size}
        arguments.json.write_text(json.dumps({"environment": environment.line(), **figures}, indent=1) + "\n")


def _target(what: str, value: float, at_most: float) -> None:
    verdict = "met" if value <= at_most else "MISSED"
    print(f"{what:60} {value:10.2f}   target <= {at_most:g}: {verdict}")


if __name__ == "__main__":
    main()
