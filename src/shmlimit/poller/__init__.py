"""The poller: the one process per limiter that asks the upstream, and the only one that knows the key."""

from __future__ import annotations

import contextlib
import errno
import logging
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from shmlimit import _core, opening, segment, settings
from shmlimit.errors import ShmlimitError
from shmlimit.poller import policy
from shmlimit.poller.follow import follow
from shmlimit.poller.log import CappedLog

if TYPE_CHECKING:
    from shmlimit.usage import UsageSource

__all__ = ["run"]

_log = logging.getLogger("shmlimit.poller")


def run(name: str, source: UsageSource | None = None, *, on_demand: bool = False) -> int:
    """Poll for a limiter, blocking until nobody has used it for 30 s.

    Args:
        name: The limiter's name.
        source: What to ask; None: the source that the limiter was created with.
        on_demand: A waiter started it: it ends when it is of no use, for another waiter to start the next, and stderr
            is a log of its own, which it keeps short.

    Returns:
        0 when it is not needed any more, 1 when another process polls already, 2 when there is no usable source.
        One line on stderr says so.

    Raises:
        LimiterNotFound: There is no limiter of that name; and whatever else keeps it from attaching.
    """
    _keep_memory_private()
    attachment = segment.attach(name)
    _log_to_stderr(name, capped=on_demand)
    if not attachment.elect_poller():
        _log.warning("another process polls already")
        return 1
    try:
        from shmlimit.poller import loop

        if source is None:
            config = settings.read_usage(attachment.config())
            if config is None:
                _log.error("the limiter has no usage source; give it one when it is created, or to `shmlimit poll`")
                return 2
            source = _load(config)
        tries = loop.TRIES if on_demand else None
        loop.Loop(
            attachment,
            source,
            lambda: segment.is_named(name, attachment),
            lambda: opening.save(name, attachment),
            tries=tries,
        ).run()
    except (ShmlimitError, TypeError, ValueError) as error:
        reason = loop.one_line(str(error))
        _log.error("%s", reason)
        with contextlib.suppress(ShmlimitError):
            attachment.write_failure(round(_core.now() * 1e6), reason)
            follow(attachment, None)
        if on_demand:
            # Elected for a while yet, or the waiters would start the next one every second.
            time.sleep(policy.BACKOFF_MAX)
        return 2
    finally:
        attachment.resign_poller()
    return 0


def _keep_memory_private() -> None:
    """No core dump, and no debugger of this user's: this process's memory holds the key."""
    _core.make_undumpable()
    # A second line: the first ends with an exec, and a source may start programs.
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ValueError as error:  # so it calls EPERM
        raise PermissionError(
            errno.EPERM, f"setrlimit(RLIMIT_CORE), so that no core dump holds the key: {error}"
        ) from None


def _load(config: dict[str, Any]) -> UsageSource:
    from shmlimit.usage import UsageError, load_source

    try:
        return load_source(config)
    except (ShmlimitError, TypeError, ValueError):
        raise
    except Exception as error:
        # The module that it names may fail in any way while it is imported.
        raise UsageError(f"the source cannot be loaded: {type(error).__name__}: {error}") from error


def _log_to_stderr(name: str, *, capped: bool) -> None:
    handler: logging.Handler = CappedLog(sys.stderr.fileno()) if capped else logging.StreamHandler(sys.stderr)
    line = f"%(asctime)s shmlimit poller of {name}: %(message)s"
    logging.basicConfig(handlers=[handler], level=logging.WARNING, format=line)
    # httpx logs each request's address, which may hold a key.
    logging.getLogger("httpx").setLevel(logging.ERROR)
    logging.getLogger("httpcore").setLevel(logging.ERROR)
