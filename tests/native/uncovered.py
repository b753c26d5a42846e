"""Which branches of csrc no test takes, and why: `python -m tests.native.uncovered FILE`, the JSON of gcovr.

.ci/coverage makes that file. uncovered.md names the lines by their text, as `file: text`, under a heading that says
why no test gets there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_ENOUGH = 95.0
_REASONS = Path(__file__).with_name("uncovered.md")
_ROOT = Path(__file__).parents[2]


def reasons() -> dict[str, str]:
    """The reason for each line that is listed."""
    found, reason = {}, ""
    for line in _REASONS.read_text().splitlines():
        if line.startswith("## "):
            reason = line[3:]
        elif line.startswith("- `"):
            found[line[3:].removesuffix("`")] = reason
    return found


def uncovered(file: dict[str, Any]) -> dict[str, int]:
    """For each line of a file of gcovr's with branches that were not taken: how many."""
    text = (_ROOT / file["file"]).read_text().splitlines()
    name = Path(file["file"]).name
    missing: dict[str, int] = {}
    for line in file["lines"]:
        if left := sum(not branch["count"] for branch in line.get("branches", [])):
            key = f"{name}: {text[line['line_number'] - 1].strip()}"
            missing[key] = missing.get(key, 0) + left
    return missing


def main(report: str) -> int:
    files = json.loads(Path(report).read_text())["files"]
    branches = sum(len(line.get("branches", [])) for file in files for line in file["lines"])
    missing = {key: left for file in files for key, left in uncovered(file).items()}
    share = 100 * (1 - sum(missing.values()) / branches)
    known = reasons()
    unexplained = [key for key in missing if key not in known]
    print(
        f"{share:.1f} % of {branches} branches of csrc; {sum(missing.values())} in {len(missing)} lines are not covered"
    )
    for key in missing:
        print(f"{missing[key]:3} {key}\n      {known.get(key, 'NO REASON GIVEN')}")
    for key in sorted(known):
        file, _, line = key.partition(": ")
        if line not in {one.strip() for one in (_ROOT / "csrc" / file).read_text().splitlines()}:
            print(f"no more in csrc: {key}")
    if share < _ENOUGH:
        print(f"expected {_ENOUGH:g} % at least", file=sys.stderr)
    if unexplained:  # no failure: what only a race shows is not taken each time
        print(f"{len(unexplained)} lines are not in {_REASONS.name}: cover them, or say why not", file=sys.stderr)
    return int(share < _ENOUGH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
