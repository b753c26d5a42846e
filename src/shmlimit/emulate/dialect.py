"""The two APIs in which work is asked for and answered: OpenAI's chat completions, and Anthropic's messages."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from shmlimit.emulate.usage_answer import error_document

TOKENS_IN, TOKENS_OUT = 8, 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What all parts of one answer say of it."""

    number: int
    created: int
    model: str


class Dialect(ABC):
    """How one API words its requests and answers."""

    path: ClassVar[str]

    @abstractmethod
    def caller(self, request: dict[str, Any]) -> Any:
        """Who asks, as far as the request says."""

    @abstractmethod
    def refusal(self, message: str) -> dict[str, Any]:
        """The body of a 429."""

    @abstractmethod
    def whole(self, answer: Answer) -> dict[str, Any]:
        """An answer in one piece."""

    @abstractmethod
    def opening(self, answer: Answer) -> bytes:
        """What a stream begins with."""

    @abstractmethod
    def piece(self, answer: Answer) -> bytes:
        """One word of a stream."""

    @abstractmethod
    def closing(self, answer: Answer) -> bytes:
        """What a stream ends with."""


class ChatCompletions(Dialect):
    """OpenAI's `POST /v1/chat/completions`."""

    path = "/v1/chat/completions"

    def caller(self, request: dict[str, Any]) -> Any:
        """Give the request's user."""
        return request.get("user")

    def refusal(self, message: str) -> dict[str, Any]:
        """Give the body of a 429; a real one was never seen, so this is a plausible one."""
        return error_document("rate_limit_concurrency", message)

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Give a chat completion."""
        message = {"role": "assistant", "content": "Done."}
        usage = {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT, "total_tokens": TOKENS_IN + TOKENS_OUT}
        return self._document(answer, "chat.completion", {"message": message, "finish_reason": "stop"}) | {
            "usage": usage
        }

    def opening(self, answer: Answer) -> bytes:
        """Give the chunk that names the role."""
        return self._chunk(answer, {"delta": {"role": "assistant", "content": ""}, "finish_reason": None})

    def piece(self, answer: Answer) -> bytes:
        """Give a chunk with a word."""
        return self._chunk(answer, {"delta": {"content": "word "}, "finish_reason": None})

    def closing(self, answer: Answer) -> bytes:
        """Give the chunk with the finish reason, and the end mark."""
        return self._chunk(answer, {"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n"

    def _chunk(self, answer: Answer, choice: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps(self._document(answer, "chat.completion.chunk", choice)).encode() + b"\n\n"

    def _document(self, answer: Answer, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{answer.number}",
            "object": kind,
            "created": answer.created,
            "model": answer.model,
            "choices": [{"index": 0, **choice}],
        }


class Messages(Dialect):
    """Anthropic's `POST /v1/messages`."""

    path = "/v1/messages"

    def caller(self, request: dict[str, Any]) -> Any:
        """Give the user id of the request's metadata."""
        metadata = request.get("metadata")
        return metadata.get("user_id") if isinstance(metadata, dict) else None

    def refusal(self, message: str) -> dict[str, Any]:
        """Give the body of a 429: its type does not tell concurrency from the rate, its message does."""
        return {"type": "error", "error": {"type": "rate_limit_error", "message": message}}

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Give a message."""
        return self._message(answer, [{"type": "text", "text": "Done."}], "end_turn", TOKENS_OUT)

    def opening(self, answer: Answer) -> bytes:
        """Give the events before the first word."""
        return self._event("message_start", message=self._message(answer, [], None, 1)) + self._event(
            "content_block_start", index=0, content_block={"type": "text", "text": ""}
        )

    def piece(self, answer: Answer) -> bytes:
        """Give the event with a word."""
        return self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": "word "})

    def closing(self, answer: Answer) -> bytes:
        """Give the events after the last word."""
        return (
            self._event("content_block_stop", index=0)
            + self._event(
                "message_delta",
                delta={"stop_reason": "end_turn", "stop_sequence": None},
                usage={"output_tokens": TOKENS_OUT},
            )
            + self._event("message_stop")
        )

    def _event(self, kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

    def _message(
        self, answer: Answer, content: list[dict[str, str]], stop_reason: str | None, tokens_out: int
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{answer.number}",
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": TOKENS_IN, "output_tokens": tokens_out},
        }


DIALECTS: tuple[Dialect, ...] = (ChatCompletions(), Messages())
WORK_PATHS = frozenset(dialect.path for dialect in DIALECTS)
