"""What an upstream tells of its concurrency in the headers of its answers to work, written as samples: nobody polls.

Such a count is the enforced one at the moment at which a call was let in, so ends show in it at once. Starts of ours
that were on their way there then are in it or not, which is why a reading says how many sessions are foreign at least
and at most; the core keeps to what was known before as far as that goes. An answer whose call began before that of the
last sample changes nothing, and where somebody polls the upstream none does.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple

from shmlimit import _core
from shmlimit.errors import ShmlimitError
from shmlimit.settings import SETTLE, STALE_AFTER, microseconds
from shmlimit.usage.argument import check_in_flight, check_seconds
from shmlimit.usage.fields import Fields
from shmlimit.usage.reading import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shmlimit.limiter import Limiter

_log = logging.getLogger("shmlimit")
_COUNT_MAX = (_core.NO_READING - 1) // 1000


class Sight(NamedTuple):
    """What is held just before a call is sent.

    Attributes:
        t0_us: When that was, host time in microseconds.
        held: How many permits are held, the call's own included.
        surely: How many of them the upstream surely counts once it lets this call in.
    """

    t0_us: int
    held: int
    surely: int


class Feed:
    """Makes samples of a limiter from the headers of answers.

    Args:
        in_flight: Header with the count, or several to add up; those after a "-" are subtracted.
        settle: Seconds that a call takes at most from its permit to the upstream.

    Raises:
        TypeError, ValueError: An argument is not what is allowed.
    """

    def __init__(self, in_flight: str | Sequence[str], *, settle: float = SETTLE) -> None:
        self._fields = Fields("headers", in_flight=check_in_flight(in_flight, "headers"))
        self._settle = check_seconds("settle", settle, positive=False)
        self._has_lag_set = False

    def look(self, limiter: Limiter, permit: _core.Permit) -> Sight | None:
        """Return what is held just before a call is sent with that permit, without blocking; None: no limiter yet."""
        attachment = limiter._attachment
        if attachment is None:
            return None
        if not self._has_lag_set and not attachment.flags() & _core.HAS_USAGE and not attachment.poller_is_alive():
            attachment.set_lag(microseconds(self._settle), microseconds(STALE_AFTER))
        self._has_lag_set = True
        raw = attachment.census()
        # The upstream counts the call that it answers, however young. Asked after the census, which has not counted it
        # if it is too young even now.
        surely = raw["visible_count"] + (permit.held_for < self._settle)
        return Sight(raw["now_us"], raw["held_count"], min(surely, raw["held_count"]))

    def report(self, limiter: Limiter, sight: Sight, headers: Mapping[str, list[str]]) -> bool:
        """Write what an answer told, without blocking; whether it was news.

        Args:
            limiter: Whose sample it is.
            sight: What was held just before the call was sent.
            headers: Every value of each header, by its name in lower case. Without a usable count nothing is written.
        """
        attachment = limiter._attachment
        if attachment is None:
            return False
        try:
            count = min(self._fields.read(b"", headers, str).concurrent_sessions, _COUNT_MAX)
            least, most = (max(0, math.floor(count) - ours) for ours in (sight.held, sight.surely))
            return attachment.write_fed_sample(least * 1000, most * 1000, sight.t0_us, round(count * 1000))
        except UsageError as error:
            _log.debug("no sample: %s", error)
        except ShmlimitError as error:
            # The answer is good for all that, and its permit tells of this too.
            _log.warning("no sample: %s", error)
        return False
