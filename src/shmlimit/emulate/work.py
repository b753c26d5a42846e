"""A request for work: a session that holds its slot to the last byte or until its client goes."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from shmlimit.emulate.account import Account, Outcome, Refusal, Session
from shmlimit.emulate.answer_headers import answer_headers
from shmlimit.emulate.dialect import Answer, Dialect
from shmlimit.emulate.disconnect import ClientWatch
from shmlimit.emulate.retry_after import RetryAfter
from shmlimit.emulate.settings import model_weight
from shmlimit.emulate.usage_answer import boxed_document, error_document

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from shmlimit.emulate.usage_endpoint import HangUp

LARGEST_BODY = 8 * 1024 * 1024
LONGEST_SESSION = 86_400
LONGEST_WORKER = 200
# Often enough to look like a stream, seldom enough for 64 streams to cost little.
CHUNK_INTERVAL = 0.5
CHUNKS_OF_A_SHORT_SESSION = 4
QUEUE_LOOK_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """What a request asks for; a *duration* of None is drawn."""

    stream: bool
    duration: float | None
    worker: str | None
    model: str

    @classmethod
    def parse(cls, body: bytes, dialect: Dialect) -> WorkRequest:
        """Read a request's JSON *body*.

        Raises:
            ValueError: It is not an object with usable members.
        """
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise ValueError("the body must be a JSON object") from None
        if not isinstance(document, dict):
            raise ValueError("the body must be a JSON object")
        stream, duration = document.get("stream"), document.get("duration")
        user, model = dialect.caller(document), document.get("model")
        if not (stream is None or isinstance(stream, bool)):
            raise ValueError("stream must be true or false")
        if duration is not None:
            is_number = isinstance(duration, (int, float)) and not isinstance(duration, bool)
            if not is_number or not 0 <= duration <= LONGEST_SESSION:
                raise ValueError(f"duration must be seconds from 0 to {LONGEST_SESSION}")
        if not all(text is None or isinstance(text, str) for text in (user, model)):
            raise ValueError("user and model must be text")
        return cls(bool(stream), duration, user and user[:LONGEST_WORKER], model or "emulated-model")


class WorkEndpoint:
    """Admits work to the account and answers it, or refuses it, in one dialect."""

    def __init__(self, account: Account, dialect: Dialect, hang_up: HangUp) -> None:
        self.account = account
        self.dialect = dialect
        self.hang_up = hang_up
        self.retry_after = RetryAfter.parse(account.settings.retry_after)
        self._weights = dict(model_weight(text) for text in account.settings.weights)

    async def __call__(self, request: Request) -> Response:
        """Answer one request; the slot is taken once its body is complete."""
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > LARGEST_BODY:
                    return JSONResponse(error_document("request_too_large", f"at most {LARGEST_BODY} bytes"), 413)
        except ClientDisconnect:
            return Response(status_code=400)
        try:
            work = WorkRequest.parse(bytes(body), self.dialect)
        except ValueError as error:
            return JSONResponse(error_document("invalid_request_error", str(error)), 400)
        if self.account.is_finished:
            return JSONResponse(error_document("overloaded", "the emulator is ending"), 503)
        if (whim := self._whim(work)) is not None:
            return whim
        session = await self._session(work, request)
        if session is None:
            return Response(status_code=400)
        if isinstance(session, Refusal):
            return self._refusal(session)
        duration = self.account.draw_session_length() if work.duration is None else float(work.duration)
        return SessionResponse(self.account, session, work, duration, self.dialect, self.hang_up)

    def _whim(self, work: WorkRequest) -> Response | None:
        """An answer that has nothing to do with what is in flight, or None."""
        settings = self.account.settings
        whims = {
            "edge": (settings.edge, 429, "slow down", {"cf-ray": "9a0b1c2d3e4f5061-EMU", "server": "cloudflare"}),
            "busy": (settings.busy, 429, "the model is busy, try again shortly", {}),
            "overloaded": (settings.overload, 503, "interactive requests are not served now", {}),
        }
        for kind, (probability, status, message, headers) in whims.items():
            if self.account.happens(probability):
                self.account.log_whim(kind, worker=work.worker)
                return JSONResponse(error_document(kind, message), status, headers=headers)
        return None

    async def _session(self, work: WorkRequest, request: Request) -> Session | Refusal | None:
        """A session, at once or after its turn in the queue; None: the client went away meanwhile."""
        account, settings = self.account, self.account.settings
        weight = self._weights.get(work.model, 1.0)
        ticket = object()
        if settings.queue_depth > 0 and (account.waiting or not account.has_room) and not account.is_boxed:
            if len(account.waiting) >= settings.queue_depth:
                return account.refuse(own=True, worker=work.worker)
            account.waiting.append(ticket)
            try:
                until = account.elapsed() + settings.queue_timeout
                async with ClientWatch(request.receive) as client:
                    while account.waiting[0] is not ticket or not account.has_room:
                        if not await client.stays(QUEUE_LOOK_EVERY):
                            return None
                        if account.is_finished or account.elapsed() >= until:
                            return account.refuse(own=True, worker=work.worker)
            finally:
                account.waiting.remove(ticket)
        return account.start(own=True, worker=work.worker, weight=weight)

    def _refusal(self, refusal: Refusal) -> Response:
        if refusal.status == 403:
            return JSONResponse(boxed_document(self.account), 403)
        value = self.retry_after.header(time.time())
        return JSONResponse(
            self.dialect.refusal(f"{refusal.counted} sessions in flight, at most {self.account.cap} are served"),
            429,
            headers={**_told(self.account), **({} if value is None else {"retry-after": value})},
        )


class SessionResponse(Response):
    """An open session: the first byte after a delay, the last byte when its duration is over."""

    def __init__(
        self,
        account: Account,
        session: Session,
        work: WorkRequest,
        duration: float,
        dialect: Dialect,
        hang_up: HangUp,
    ) -> None:
        super().__init__(media_type="text/event-stream" if work.stream else "application/json")
        self.account = account
        self.session = session
        self.work = work
        self.duration = duration
        self.dialect = dialect
        self.hang_up = hang_up
        self.breaks_off = account.happens(account.settings.abort)
        self.answer = Answer(session.id, int(time.time()), work.model)
        self.told = [(name.encode(), value.encode()) for name, value in _told(account).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the session open; whatever ends this ends the session."""
        outcome: Outcome = "aborted"
        try:
            async with ClientWatch(receive) as client:
                answer = self._stream if self.work.stream else self._whole
                if self.breaks_off:
                    outcome = "stopped" if await client.stays(self.duration / 2) else "aborted"
                    self.hang_up(scope, False)
                elif await answer(client, send):
                    outcome = "completed"
        finally:
            if outcome == "aborted" and not self.work.stream and self.account.settings.keep_cancelled:
                loop = asyncio.get_running_loop()
                loop.call_later(max(0.0, self._remaining()), self.account.end, self.session, outcome)
            else:
                # Nothing yields to the event loop between the last byte and here, so the next request of a client
                # that has read it finds the session ended.
                self.account.end(self.session, outcome)

    async def _whole(self, client: ClientWatch, send: Send) -> bool:
        while (remaining := self._remaining()) > 0:
            if not await client.stays(remaining):
                return False
        body = json.dumps(self.dialect.whole(self.answer)).encode()
        await send(self._head([(b"content-length", str(len(body)).encode())]))
        await send({"type": "http.response.body", "body": body})
        return True

    async def _stream(self, client: ClientWatch, send: Send) -> bool:
        first_byte = self.account.settings.first_byte
        if not await client.stays(min(first_byte, self.duration)):
            return False
        await send(self._head([(b"cache-control", b"no-cache")]))
        await send(_part(self.dialect.opening(self.answer)))
        interval = min(CHUNK_INTERVAL, self.duration / CHUNKS_OF_A_SHORT_SESSION)
        while (remaining := self._remaining()) > 0:
            if not await client.stays(min(interval, remaining)):
                return False
            if self._remaining() > 0:
                await send(_part(self.dialect.piece(self.answer)))
        await send({**_part(self.dialect.closing(self.answer)), "more_body": False})
        return True

    def _remaining(self) -> float:
        return self.duration - self.account.age(self.session)

    def _head(self, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
        kind = b"text/event-stream; charset=utf-8" if self.work.stream else b"application/json"
        return {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", kind), *self.told, *headers],
        }


def _part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _told(account: Account) -> dict[str, str]:
    return answer_headers(account.settings.feed, account.counted, account.cap)
