"""`python -m benchmarks.policies [--quick] [--write DIR]`: every policy in every scenario, in virtual time.

Measures: refusals for each 1,000 sessions served, against the share of the cap that became work.
Does not measure: what a policy costs the processor, nor what an upstream does to those it refuses too often.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks import environment
from benchmarks.policies import chart, report
from benchmarks.policies.core import Core
from benchmarks.policies.laboratory import POLICIES, run
from benchmarks.policies.scenario import SCENARIOS

_SEED = 7
_QUICK = 120.0
_QUICK_SCENARIOS = 4


def main() -> None:
    """Run them all and print a row for each scenario."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes of a few scenarios: a smoke test")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write RESULTS.md and a plot of each scenario there")
    arguments = parser.parse_args()
    scenarios = SCENARIOS
    if arguments.quick:
        scenarios = tuple(replace(one, duration=_QUICK) for one in SCENARIOS[:_QUICK_SCENARIOS])
    print(environment.line())
    print(report.head())
    results = {}
    with Core() as core:
        for scenario in scenarios:
            results[scenario] = {name: run(scenario, policy, core, _SEED) for name, policy in POLICIES.items()}
            print(report.row(scenario, results[scenario]), flush=True)
    if arguments.write:
        report.write(results, arguments.write / "RESULTS.md")
        plots = arguments.write / "plots"
        plots.mkdir(exist_ok=True)
        for scenario, figures in results.items():
            chart.draw(scenario, figures, plots)


if __name__ == "__main__":
    main()
