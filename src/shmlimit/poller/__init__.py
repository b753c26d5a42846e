"""The poller: the one process per limiter that asks the upstream, and the only one that knows the key."""

from __future__ import annotations

import logging
import resource
import sys
from typing import TYPE_CHECKING

from shmlimit import _core, segment, settings
from shmlimit.errors import ShmlimitError

if TYPE_CHECKING:
    from shmlimit.usage import UsageSource

__all__ = ["run"]

_log = logging.getLogger("shmlimit.poller")


def run(name: str, source: UsageSource | None = None) -> int:
    """Poll for a limiter, blocking until nobody has used it for 30 s.

    Args:
        name: The limiter's name.
        source: What to ask; None: the source that the limiter was created with.

    Returns:
        0 when it is not needed any more, 1 when another process polls already, 2 when there is no usable source.
        One line on stderr says so.
    """
    # A core dump would hold the key.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format=f"%(asctime)s shmlimit poller of {name}: %(message)s"
    )
    # httpx logs each request's address, which may hold a key.
    logging.getLogger("httpx").setLevel(logging.ERROR)
    logging.getLogger("httpcore").setLevel(logging.ERROR)
    attachment = segment.attach(name)
    if not attachment.elect_poller():
        _log.warning("another process polls already")
        return 1
    try:
        if source is None:
            config = settings.read_usage(attachment.config())
            if config is None:
                _log.error("the limiter has no usage source; give it one when it is created, or to `shmlimit poll`")
                return 2
            from shmlimit.usage import load_source

            source = load_source(config)
        from shmlimit.poller.loop import Loop

        Loop(attachment, source, lambda: segment.is_named(name, attachment)).run()
    except (ShmlimitError, TypeError, ValueError) as error:
        _log.error("%s", error)
        attachment.write_failure(round(_core.now() * 1e6), str(error))
        return 2
    finally:
        attachment.resign_poller()
    return 0
