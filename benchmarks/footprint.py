"""Footprint: bytes of a default segment, milliseconds of `import shmlimit`, and what it imports.

Measures: the import as the difference between two interpreters' wall time, best of some. Does not measure: a cold disk.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.limiters import fresh
from shmlimit import segment


def measure(rounds: int) -> dict[str, float]:
    """segment_bytes, import_ms, and heavy_imports: how many of httpx, click, rich an import brings."""
    with fresh(4) as limiter:
        size = Path(segment.path_of(limiter.name)).stat().st_size
    bare = min(_wall("pass") for _ in range(rounds))
    with_it = min(_wall("import shmlimit") for _ in range(rounds))
    heavy = subprocess.run(
        [sys.executable, "-c", "import sys, shmlimit; print(len({'httpx', 'click', 'rich'} & set(sys.modules)))"],
        check=True,
        capture_output=True,
    )
    return {"segment_bytes": size, "import_ms": (with_it - bare) * 1e3, "heavy_imports": int(heavy.stdout)}


def _wall(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begin
