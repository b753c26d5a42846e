"""The limit that follows the upstream's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shmlimit import _core

_log = logging.getLogger("shmlimit.poller")


def follow(attachment: _core.Attachment, told: int | None) -> bool:
    """Let the limit be the upstream's, less the headroom, if it is to be; whether it has changed.

    Args:
        attachment: The elected poller's.
        told: What the upstream has told; None: nothing. Then the last one stands; if there is none yet it is 1: work
            goes on, one at a time, even if the upstream never tells.
    """
    if told is None:
        if attachment.snapshot()[0]["configured"]:
            return False
        told = 1
    if not attachment.follow_limit(told):
        return False
    _log.warning("the limit is now %d: it follows the upstream's own", attachment.snapshot()[0]["limit"])
    return True
