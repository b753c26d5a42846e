"""The routes of the emulated upstream, and what stands in front of them: the key and the penalty box."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shmlimit.emulate.dialect import DIALECTS, WORK_PATHS, Dialect
from shmlimit.emulate.usage_answer import boxed_document, error_document
from shmlimit.emulate.usage_endpoint import MOVED_PATH, HangUp, UsageEndpoint
from shmlimit.emulate.usage_stream import STREAM_PATH, UsageStream
from shmlimit.emulate.work import WorkEndpoint

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from shmlimit.emulate.account import Account

USAGE_PATH = "/v1/usage"


def build_app(account: Account, *, api_key: str | None, hang_up: HangUp) -> Starlette:
    """Build the ASGI application.

    Args:
        account: The account behind every route.
        api_key: The only key that is accepted under /v1; None accepts any, and none.
        hang_up: Closes the connection of a request, after flushing what was sent or at once.
    """
    usage = UsageEndpoint(account, hang_up)

    async def answer_usage(request: Request) -> Response:
        return await usage(request)

    async def answer_stream(request: Request) -> Response:
        return UsageStream(account)

    async def answer_health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def answer_truth(request: Request) -> Response:
        return JSONResponse(account.snapshot())

    return Starlette(
        routes=[
            *(_work_route(account, dialect, hang_up) for dialect in DIALECTS),
            Route(USAGE_PATH, answer_usage, methods=["GET"]),
            Route(STREAM_PATH, answer_stream, methods=["GET"]),
            Route(MOVED_PATH, usage.moved, methods=["GET"]),
            Route("/healthz", answer_health, methods=["GET"]),
            Route("/truth", answer_truth, methods=["GET"]),
        ],
        middleware=[Middleware(FrontDoor, account=account, api_key=api_key)],
    )


def _work_route(account: Account, dialect: Dialect, hang_up: HangUp) -> Route:
    work = WorkEndpoint(account, dialect, hang_up)

    async def answer_work(request: Request) -> Response:
        return await work(request)

    return Route(dialect.path, answer_work, methods=["POST"])


class FrontDoor:
    """Turns requests away before any route sees them: 503 at the end, 401 without the key, 403 when boxed."""

    def __init__(self, app: ASGIApp, *, account: Account, api_key: str | None) -> None:
        self.app = app
        self.account = account
        self._key = None if api_key is None else api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        answer = self._turned_away(scope)
        if answer is None:
            await self.app(scope, receive, send)
        else:
            await answer(scope, receive, send)

    def _turned_away(self, scope: Scope) -> Response | None:
        path = scope["path"]
        if self.account.is_finished:
            return JSONResponse(error_document("overloaded", "the emulator is ending"), 503)
        if path.startswith("/v1/") and not self._has_key(Headers(scope=scope)):
            return JSONResponse(error_document("authentication_error", "the API key is missing or wrong"), 401)
        if self.account.is_boxed:
            if path in WORK_PATHS:
                self.account.turn_away(own=True)
            elif path == USAGE_PATH:
                self.account.log_usage(reported=None, fault="boxed")
            return JSONResponse(boxed_document(self.account), 403)
        return None

    def _has_key(self, headers: Headers) -> bool:
        if self._key is None:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = [headers.get("x-api-key", ""), bearer if scheme.lower() == "bearer" else ""]
        # Header text arrives as Latin-1; compared in the time that a right key takes.
        return any(hmac.compare_digest(text.strip().encode("latin-1"), self._key) for text in offered)
