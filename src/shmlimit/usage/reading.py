"""What one poll of an upstream gives: a reading, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from shmlimit.errors import ShmlimitError


@dataclass(frozen=True, slots=True)
class Usage:
    """What an upstream reports about its account at one moment.

    Nothing is checked here: whoever applies a reading decides which numbers make sense.

    Attributes:
        concurrent_sessions: Work in flight as the upstream counts it, from every machine on the account.
        limit: The upstream's own concurrency limit, or None when it does not say.
        hard_cap: The count above which the upstream refuses, or None when it does not say.
        blocked_until: Epoch seconds until which the upstream serves nothing, or None. It may lie in the past:
            some upstreams keep reporting the last block after it has ended.
        blocked_reason: The upstream's word for why it blocks or demotes, or None.
        degraded: Whether the upstream serves this account at low priority, or None when it does not say.
    """

    concurrent_sessions: float
    limit: float | None = None
    hard_cap: float | None = None
    blocked_until: float | None = None
    blocked_reason: str | None = None
    degraded: bool | None = None


MANNERS = ("counts", "min_interval", "settle", "stale_after")
"""What a source may say of itself, in attributes of these names: see `HttpUsage` for what they mean."""


@runtime_checkable
class UsageSource(Protocol):
    """Anything that can be asked what the upstream counts.

    It may have the attributes *counts*, *min_interval*, *settle* and *stale_after*; what it lacks is as in `HttpUsage`
    where that is not told.
    """

    def get_usage(self) -> Usage | None:
        """Ask the upstream once, blocking until it has answered.

        Returns:
            The reading, or None for "no information", which is never the same as a count of zero.

        Raises:
            Exception: Any exception means the same as None; its text is shown in the limiter's status.
        """
        ...


class UsageError(ShmlimitError):
    """A poll that gave no reading; the message is one line without any secret.

    Args:
        reason: Why there is no reading, as "HTTP 500".
        retry_after: Seconds the upstream asked to be left alone, from 0 to 3600, or None when it did not ask.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class UpstreamBlocked(UsageError):
    """The upstream answered, and the answer is that it refuses this account for now.

    It is no failed poll: the count is unknown, but nothing may be admitted until the block has ended.

    Args:
        message: What happened, in one line without any secret.
        reason: The upstream's own word for it, or the HTTP status when it gave none.
        blocked_until: Epoch seconds of the end of the block, or None when the upstream did not say.
        retry_after: As in `UsageError`.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "blocked",
        blocked_until: float | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason
        self.blocked_until = blocked_until
