"""`GET /v1/usage`: the report, or whatever fault is in force instead of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from shmlimit.emulate.disconnect import ClientWatch
from shmlimit.emulate.faults import UsageFault, disfigured, fault_in_force, skewed
from shmlimit.emulate.report import Reading
from shmlimit.emulate.usage_answer import error_document, usage_document

if TYPE_CHECKING:
    from starlette.requests import Request

    from shmlimit.emulate.account import Account

MOVED_PATH = "/v1/usage/moved"
PAGE = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"

# More than any client should read of a usage answer.
HUGE = 1 << 20
SHAPES = frozenset(
    {"missing-field", "null", "text", "fraction", "numeric", "extra", "limit-null", "no-hard-cap", "no-priority"}
)

HangUp = Callable[[Scope, bool], None]


class UsageEndpoint:
    """Answers with the reported count.

    Args:
        account: Whose usage it is.
        hang_up: Closes the connection of a request, after flushing what was sent or at once.
    """

    def __init__(self, account: Account, hang_up: HangUp) -> None:
        self.account = account
        self.hang_up = hang_up
        self.faults = tuple(UsageFault.parse(text) for text in account.settings.usage_faults)
        self._frozen: dict[UsageFault, dict[str, Any]] = {}
        self._kept: list[tuple[float, dict[str, Any]]] = []
        self._is_second = False
        self._asked: list[float] = []

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        fault = fault_in_force(self.faults, self.account.elapsed())
        if fault is None:
            return self._report(None)
        if fault.kind == "slow":
            return DelayedResponse(fault.argument, self._report("slow"))
        if fault.kind == "frozen":
            return self._frozen_report(fault)
        if fault.kind in SHAPES:
            return self._report(fault.kind)
        if fault.kind == "skew":
            return self._answered(skewed(self._document(), fault.argument), "skew")
        if fault.kind == "replicas":
            return self._answered(self._by_a_replica(fault.argument), "replicas")
        if fault.kind == "rate" and not self._is_too_often(fault.argument):
            return self._report(None)
        self.account.log_usage(reported=None, fault=fault.kind)
        if fault.kind == "rate":
            return JSONResponse(error_document("rate_limit", "too many usage requests"), 429)
        if fault.kind == "huge":
            return JSONResponse({**self._document(), "padding": "x" * HUGE})
        if fault.kind == "status":
            return JSONResponse(error_document("upstream_error", "the usage service failed"), int(fault.argument))
        if fault.kind == "html":
            return HTMLResponse(PAGE)
        if fault.kind == "redirect":
            return RedirectResponse(str(request.url.replace(path=MOVED_PATH)), 302)
        if fault.kind == "truncated":
            return BrokenResponse(self.hang_up, json.dumps(self._document()).encode())
        if fault.kind == "hang":
            return DelayedResponse(math.inf, Response())
        if fault.kind == "hang-body":
            return SilentResponse()
        return BrokenResponse(self.hang_up, None)

    async def moved(self, request: Request) -> Response:
        """Answer where a redirect leads: a tempting zero, so that a client that follows it is misled."""
        self.account.log_usage(reported=0, fault="redirect-followed")
        return JSONResponse(usage_document(self.account, Reading(0, is_low_priority=False)))

    def _report(self, fault: str | None) -> Response:
        document = self._document()
        return self._answered(document if fault is None else disfigured(document, fault), fault)

    def _answered(self, document: dict[str, Any], fault: str | None) -> Response:
        self.account.log_usage(reported=document["usage"].get("concurrent_sessions"), fault=fault)
        return JSONResponse(document)

    def _by_a_replica(self, behind: float) -> dict[str, Any]:
        """What one of two replicas says, in turn; the second one lags *behind* by so many seconds more."""
        now = self.account.elapsed()
        self._kept = [(at, kept) for at, kept in self._kept if at >= now - 2 * behind]
        self._kept.append((now, self._document()))
        old = [kept for at, kept in self._kept if at <= now - behind]
        self._is_second = not self._is_second
        return old[-1] if self._is_second and old else self._kept[-1][1]

    def _is_too_often(self, per_minute: float) -> bool:
        now = self.account.elapsed()
        self._asked = [at for at in self._asked if at > now - 60]
        if len(self._asked) >= per_minute:
            return True
        self._asked.append(now)
        return False

    def _frozen_report(self, fault: UsageFault) -> Response:
        if fault not in self._frozen:
            self._frozen[fault] = self._document()
        return self._answered(self._frozen[fault], "frozen")

    def _document(self) -> dict[str, Any]:
        return usage_document(self.account, self.account.read())


class DelayedResponse(Response):
    """Another response, *seconds* late; infinity never answers."""

    def __init__(self, seconds: float, response: Response) -> None:
        super().__init__()
        self.seconds = seconds
        self.response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer after the delay, unless the client goes first."""
        async with ClientWatch(receive) as client:
            if await client.stays(self.seconds):
                await self.response(scope, receive, send)


class SilentResponse(Response):
    """Headers, and then nothing more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers, and wait until the client goes."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        async with ClientWatch(receive) as client:
            await client.stays(math.inf)


class BrokenResponse(Response):
    """A connection closed in the middle of *body*, or before any answer when that is None."""

    def __init__(self, hang_up: HangUp, body: bytes | None) -> None:
        super().__init__()
        self.hang_up = hang_up
        self.whole = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is to be sent, then close the connection."""
        if self.whole is not None:
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(self.whole)).encode()),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            half = self.whole[: len(self.whole) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        self.hang_up(scope, self.whole is not None)
        async with ClientWatch(receive) as client:
            # The server would make up a 500 if this returned before the connection is known to be closed.
            await client.stays(math.inf)
