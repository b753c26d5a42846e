"""The laboratory's figures as scatter plots: refusals against use, a point for each policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.policies.laboratory import Figures
    from benchmarks.policies.scenario import Scenario

_OURS = "shmlimit"
# On a logarithmic axis none has no place of its own.
_NONE = 0.1


def picture(scenario: Scenario) -> str:
    """The plot's file name."""
    return re.sub(r"[^a-z0-9]+", "-", scenario.name.lower()) + ".png"


def draw(scenario: Scenario, figures: Mapping[str, Figures], directory: Path) -> None:
    """Write the scenario's plot into the directory."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), dpi=110)
    for name, one in figures.items():
        x = max(one.refusals, _NONE)
        axes.scatter(
            x, one.use, s=60 if name == _OURS else 28, color="tab:red" if name == _OURS else "tab:gray", zorder=3
        )
        axes.annotate(name, (x, one.use), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.set_xlabel(f"refusals for each 1,000 sessions (none: {_NONE:g})")
    axes.set_ylabel("use of the cap")
    axes.set_title(scenario.name)
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(directory / picture(scenario))
    plt.close(figure)
