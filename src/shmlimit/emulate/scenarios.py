"""Named upstreams: what went wrong for somebody, or might, as settings."""

from __future__ import annotations

from typing import Any, NamedTuple

from shmlimit.emulate.settings import EmulatorSettings


class Scenario(NamedTuple):
    """A named upstream.

    Attributes:
        description: What happens there, in one line.
        settings: What differs from the default upstream.
    """

    description: str
    settings: dict[str, Any]


SCENARIOS = {
    "stale-herd": Scenario(
        "the count lags by up to 2 s: whoever trusts it alone starts too many at once, and past 10 429s is suspended",
        {"limit": 4, "hard_cap": 8, "report_lag": 2.0, "start_lag": 0.7, "end_lag": 0.7, "box_after": 10},
    ),
    "churn": Scenario(
        "nobody else and short sessions: whoever takes their own ended ones for others' throttles themselves",
        {"limit": 4, "hard_cap": 8, "session_median": 0.5},
    ),
    "foreign-step": Scenario(
        "after 5 s another machine of the account takes three of six places for good",
        {"limit": 6, "foreign": "step:3:5"},
    ),
    "blind": Scenario(
        "the usage endpoint is down for ten minutes",
        {"limit": 4, "hard_cap": 8, "usage_faults": ("down@0-600",)},
    ),
    "box-then-release": Scenario(
        "for 5 s the account is suspended and every answer a 403; its deadline stays when it is past",
        {"limit": 4, "hard_cap": 8, "box": "5-10", "box_after": 10},
    ),
    "limit-cut": Scenario(
        "after 5 s the limit is 1, whatever is in flight",
        {"limit": 8, "limit_changes": ("1@5",)},
    ),
}


def scenario(name: str, **overrides: Any) -> EmulatorSettings:
    """Give the settings of a named upstream.

    Args:
        name: One of SCENARIOS.
        **overrides: Settings in place of the scenario's.

    Raises:
        ValueError: There is no such scenario, or a setting has a value that is not allowed.
    """
    if name not in SCENARIOS:
        raise ValueError(f"scenario must be one of {', '.join(SCENARIOS)}, not {name!r}")
    return EmulatorSettings(**{**SCENARIOS[name].settings, **overrides})
