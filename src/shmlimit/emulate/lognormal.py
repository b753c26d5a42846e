"""A clipped lognormal: many short values, a few long ones, none absurd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


def clipped_lognormal(random: Random, *, median: float, spread: float, ceiling: float) -> float:
    """Draw seconds from a lognormal distribution, without blocking.

    Args:
        random: The source of randomness; not touched when *median* is 0.
        median: Seconds that half of the draws stay below; 0 always gives 0.
        spread: The standard deviation of the logarithm.
        ceiling: Seconds above which a draw is cut down to this value.
    """
    if median == 0:
        return 0.0
    return min(ceiling, random.lognormvariate(math.log(median), spread))
