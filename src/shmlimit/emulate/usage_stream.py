"""`GET /v1/usage/stream`: the report as server-sent events, in the shape that Featherless uses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from shmlimit.emulate.disconnect import ClientWatch
from shmlimit.emulate.faults import UsageFault, fault_in_force

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from shmlimit.emulate.account import Account

STREAM_PATH = "/v1/usage/stream"
# One at once, then as often.
EVENT_EVERY = 2.0


class UsageStream(Response):
    """One client's stream of events, until it goes; while the fault "hang-body" is in force none is sent.

    Args:
        account: Whose usage it is.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(media_type="text/event-stream")
        self.account = account
        self.faults = tuple(UsageFault.parse(text) for text in account.settings.usage_faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes."""
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # Nothing is sent before the first piece of a body.
        await send(_piece(b": usage\n\n"))
        async with ClientWatch(receive) as client:
            while not self.account.is_finished:
                if not self._is_silent():
                    await send(_piece(b"data: " + json.dumps(self._document()).encode() + b"\n\n"))
                if not await client.stays(EVENT_EVERY):
                    return

    def _is_silent(self) -> bool:
        fault = fault_in_force(self.faults, self.account.elapsed())
        return fault is not None and fault.kind == "hang-body"

    def _document(self) -> dict[str, Any]:
        reading = self.account.read()
        self.account.log_usage(reported=reading.sessions, fault=None)
        return {
            "limit": self.account.limit,
            "used_cost": reading.weight,
            "request_count": reading.sessions,
            "requests": [],
        }


def _piece(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}
