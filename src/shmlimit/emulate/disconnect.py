"""Waiting while watching the client: a killed client must end its session, whoever is asleep."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import Receive
    from typing_extensions import Self


class ClientWatch:
    """Watches one request's connection for as long as the block lasts.

    Args:
        receive: The request's ASGI channel; its body has been read, or does not matter.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        self._gone = asyncio.ensure_future(self._until_gone())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        self._gone.cancel()

    async def stays(self, seconds: float) -> bool:
        """Wait without blocking the event loop, and say whether the client is still there.

        Args:
            seconds: How long; infinity waits until the client has gone. Returns early when it goes.
        """
        timeout = None if seconds == math.inf else max(0.0, seconds)
        await asyncio.wait({self._gone}, timeout=timeout)
        return not self._gone.done()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
