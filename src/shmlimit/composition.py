"""Permits of several limiters: of each of them, or of whichever has room first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shmlimit import _core
from shmlimit.holding import Holding
from shmlimit.limiter import Limiter
from shmlimit.request import request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shmlimit.bundle import Bundle
    from shmlimit.permits import ChosenPermit, Permits
    from shmlimit.rotation import Rotation


def acquire_all(
    wanted: Iterable[tuple[Limiter, float]],
    *,
    timeout: float | None = None,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
) -> Permits:
    """Take a permit of each of several limiters, all or none, blocking until there is room in all.

    In whatever order they are named, those without room are waited for first, holding nothing, and the rest is taken by
    name. If one of these has no room after all, what is held already is kept for a cooldown (0.05 s at least), then
    goes back, while the place in the queue stays; it is taken again afterwards, with the same `since`. Each time that
    this happens the next one is kept twice as long, unless it is held against the order of names. So there is no
    deadlock, whatever else the program holds, and nobody starves: the older a caller, the sooner its turn everywhere.

    The cost, where several of them are full at the same time: room that is held unused for that long, and a cooldown
    for each permit given back. Where one at a time is full there is none.

    Example:
        with acquire_all([(provider, 1), (model, 0.5)], timeout=60) as permits:
            call_upstream()

    Args:
        wanted: Pairs of a Limiter and a weight. The weights of one that is named twice add up.
        timeout: Seconds to wait at most, for all together; 0: not at all; None: for ever.
        priority: Higher goes first.
        since: Epoch seconds at which the caller's task began: older goes first among equal priority. None: now.
        label: Text for `status`, cut to 48 bytes of UTF-8.

    Returns:
        The permits. Release them, or use them as a context manager.

    Raises:
        AcquireTimeout, NeverAdmissible, QueueFull, SegmentOrphaned: Of any one, as `Limiter.acquire`; nothing is held,
            and every queue has been left.
        KeyboardInterrupt: And whatever else a signal handler raises: likewise.
        TypeError, ValueError: It is not clear what is wanted.
    """
    return _bundle(wanted).acquire(request(timeout=timeout, priority=priority, since=since, label=label))


async def acquire_all_async(
    wanted: Iterable[tuple[Limiter, float]],
    *,
    timeout: float | None = None,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
) -> Permits:
    """Take a permit of each as `acquire_all` does, from asyncio: the event loop is never blocked.

    Cancelled at any point, it holds nothing and has left every queue. Arguments, result and errors as `acquire_all`.
    """
    return await _bundle(wanted).acquire_async(request(timeout=timeout, priority=priority, since=since, label=label))


def all_of(
    wanted: Iterable[tuple[Limiter, float]],
    *,
    timeout: float | None = None,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
) -> Holding[Permits]:
    """Hold a permit of each during a `with` or `async with` block, waiting on entry; the rest as `acquire_all`."""
    options = {"wanted": list(wanted), "timeout": timeout, "priority": priority, "since": since, "label": label}
    return Holding(acquire_all, acquire_all_async, options)


def acquire_any(
    limiters: Iterable[Limiter],
    *,
    timeout: float | None = None,
    weight: float = 1,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
) -> ChosenPermit:
    """Take a permit of the first of several limiters that has room, blocking while none has: for the rotation of keys.

    They are tried in the order given. If none has room at once, the caller waits in the queue of each, and the first
    that admits it is the one; the other queues are left. If a second one has admitted it at the same moment that permit
    goes back, which costs a cooldown there.

    Example:
        with acquire_any([first_key, second_key]) as permit:
            call_upstream(keys[permit.limiter.name])

    Args:
        limiters: At least one. One that can never admit the caller, or whose slots are all taken, is passed over.
        timeout: Seconds to wait at most; 0: not at all; None: for ever.
        weight: How much of the limit it takes, in permits (0.001 to 8000; to the nearest thousandth).
        priority: Higher goes first.
        since: Epoch seconds at which the caller's task began: older goes first among equal priority. None: now.
        label: Text for `status`, cut to 48 bytes of UTF-8.

    Returns:
        The permit; its `limiter` is the one that it is of. Release it, or use it as a context manager.

    Raises:
        AcquireTimeout: Every queue has been left.
        NeverAdmissible, QueueFull: All of the limiters were passed over.
        SegmentOrphaned: One of them has lost its name.
        KeyboardInterrupt: And whatever else a signal handler raises: every queue has been left, no permit is held.
        TypeError, ValueError: There is no limiter, or it is none.
    """
    return _rotation(limiters).acquire(
        request(timeout=timeout, weight=weight, priority=priority, since=since, label=label)
    )


async def acquire_any_async(
    limiters: Iterable[Limiter],
    *,
    timeout: float | None = None,
    weight: float = 1,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
) -> ChosenPermit:
    """Take a permit of the first that has room as `acquire_any` does, from asyncio: the event loop is never blocked.

    Cancelled at any point, it holds nothing and has left every queue. Arguments, result and errors as `acquire_any`.
    """
    return await _rotation(limiters).acquire_async(
        request(timeout=timeout, weight=weight, priority=priority, since=since, label=label)
    )


def any_of(
    limiters: Iterable[Limiter],
    *,
    timeout: float | None = None,
    weight: float = 1,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
) -> Holding[ChosenPermit]:
    """Hold the permit of one during a `with` or `async with` block, waiting on entry; the rest as `acquire_any`."""
    options = {"timeout": timeout, "weight": weight, "priority": priority, "since": since, "label": label}
    return Holding(acquire_any, acquire_any_async, {"limiters": list(limiters), **options})


def _bundle(wanted: Iterable[tuple[Limiter, float]]) -> Bundle:
    from shmlimit.bundle import Bundle  # brings asyncio, as a rotation does

    return Bundle([_checked_pair(pair) for pair in wanted])


def _rotation(limiters: Iterable[Limiter]) -> Rotation:
    from shmlimit.rotation import Rotation

    return Rotation([_checked(limiter) for limiter in limiters])


def _checked_pair(pair: object) -> tuple[Limiter, float]:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"expected pairs of a Limiter and a weight, not {pair!r:.80}")
    limiter, weight = pair
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise TypeError(f"weight must be a number, not {type(weight).__name__} {weight!r}")
    if not 0 < weight <= _core.LIMIT_LIMIT:
        raise ValueError(f"weight must be from 0.001 to {_core.LIMIT_LIMIT}, not {weight!r}")
    return _checked(limiter), weight


def _checked(limiter: object) -> Limiter:
    if not isinstance(limiter, Limiter):
        raise TypeError(f"expected a Limiter, not {type(limiter).__name__} {limiter!r:.80}")
    return limiter
