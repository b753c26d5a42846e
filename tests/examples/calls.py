"""One call with each client, in all four ways, through a limited transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

import shmlimit.httpx
from shmlimit import Limiter
from tests.support.processes import HANG, say

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES: Any = [{"role": "user", "content": "x"}]
# Longer than any test: what ends such a session is what the test does.
ENDLESS = 3600.0


def ask(
    library: str,
    limiter: Limiter,
    url: str,
    *,
    is_stream: bool,
    is_async: bool,
    duration: float,
    on_piece: Callable[[], object] = lambda: None,
) -> str:
    """The text of the answer; *on_piece* is called with each piece of a stream, before the next is read."""
    way = WAYS[library](limiter, url, duration)
    if is_async:
        return asyncio.run(_ask_async(way, is_stream, on_piece))
    with way.client() as client:
        answer = way.call(client, is_stream)
        if not is_stream:
            return way.text(answer)
        text = ""
        for event in answer:
            if piece := way.piece(event):
                on_piece()
                text += piece
        return text


async def _ask_async(way: Way, is_stream: bool, on_piece: Callable[[], object]) -> str:
    async with way.async_client() as client:
        answer = await way.call_async(client, is_stream)
        if not is_stream:
            return way.text(answer)
        text = ""
        async for event in answer:
            if piece := way.piece(event):
                on_piece()
                text += piece
        return text


class Way:
    """How one library is called."""

    def __init__(self, limiter: Limiter, url: str, duration: float, **options: Any) -> None:
        self.limiter = limiter
        self.options = options
        self.url = url
        self.more: Any = {"model": "any", "messages": MESSAGES, "extra_body": {"duration": duration}}

    def client(self) -> Any:
        return httpx.Client(transport=shmlimit.httpx.LimitedTransport(self.limiter, **self.options), timeout=HANG)

    def async_client(self) -> Any:
        return httpx.AsyncClient(
            transport=shmlimit.httpx.AsyncLimitedTransport(self.limiter, **self.options), timeout=HANG
        )

    def call(self, client: Any, is_stream: bool) -> Any:
        raise NotImplementedError

    async def call_async(self, client: Any, is_stream: bool) -> Any:
        raise NotImplementedError

    def text(self, answer: Any) -> str:
        return str(answer.choices[0].message.content)

    def piece(self, event: Any) -> str:
        return event.choices[0].delta.content or "" if event.choices else ""


class OpenAi(Way):
    """Through httpx, which it still takes; the examples go through httpx2."""

    def client(self) -> Any:
        import openai

        return openai.OpenAI(http_client=super().client(), base_url=f"{self.url}/v1", api_key="any")

    def async_client(self) -> Any:
        import openai

        return openai.AsyncOpenAI(http_client=super().async_client(), base_url=f"{self.url}/v1", api_key="any")

    def call(self, client: Any, is_stream: bool) -> Any:
        return client.chat.completions.create(stream=is_stream, **self.more)

    async def call_async(self, client: Any, is_stream: bool) -> Any:
        return await client.chat.completions.create(stream=is_stream, **self.more)


class Anthropic(Way):
    def client(self) -> Any:
        import anthropic
        import httpx2

        from shmlimit.httpx2 import LimitedTransport

        http = httpx2.Client(transport=LimitedTransport(self.limiter, **self.options), timeout=HANG)
        return anthropic.Anthropic(http_client=http, base_url=self.url, api_key="any")

    def async_client(self) -> Any:
        import anthropic
        import httpx2

        from shmlimit.httpx2 import AsyncLimitedTransport

        http = httpx2.AsyncClient(transport=AsyncLimitedTransport(self.limiter, **self.options), timeout=HANG)
        return anthropic.AsyncAnthropic(http_client=http, base_url=self.url, api_key="any")

    def call(self, client: Any, is_stream: bool) -> Any:
        return client.messages.create(stream=is_stream, max_tokens=8, **self.more)

    async def call_async(self, client: Any, is_stream: bool) -> Any:
        return await client.messages.create(stream=is_stream, max_tokens=8, **self.more)

    def text(self, answer: Any) -> str:
        return str(answer.content[0].text)

    def piece(self, event: Any) -> str:
        return str(event.delta.text) if event.type == "content_block_delta" else ""


class LiteLlm(Way):
    """A model that LiteLLM reaches through the openai client."""

    def call(self, client: Any, is_stream: bool) -> Any:
        import litellm

        litellm.in_memory_llm_clients_cache.flush_cache()  # it keeps clients, with the session they were made with
        litellm.client_session = client
        return litellm.completion(**self.arguments(is_stream))

    async def call_async(self, client: Any, is_stream: bool) -> Any:
        import litellm

        litellm.in_memory_llm_clients_cache.flush_cache()
        litellm.aclient_session = client
        return await litellm.acompletion(**self.arguments(is_stream))

    def arguments(self, is_stream: bool) -> dict[str, Any]:
        return {
            **self.more,
            "model": "openai/any",
            "api_base": f"{self.url}/v1",
            "api_key": "any",
            "stream": is_stream,
        }


class LiteLlmAnthropic(LiteLlm):
    """A model that LiteLLM reaches through a handler of its own."""

    def call(self, client: Any, is_stream: bool) -> Any:
        import litellm
        from litellm.llms.custom_httpx.http_handler import HTTPHandler

        return litellm.completion(**self.arguments(is_stream), client=HTTPHandler(client=client))

    async def call_async(self, client: Any, is_stream: bool) -> Any:
        import litellm
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

        transport = shmlimit.httpx.AsyncLimitedTransport(self.limiter, **self.options)
        return await litellm.acompletion(**self.arguments(is_stream), client=AsyncHTTPHandler(transport=transport))

    def arguments(self, is_stream: bool) -> dict[str, Any]:
        return {**super().arguments(is_stream), "model": "anthropic/any", "api_base": self.url}


WAYS: dict[str, type[Way]] = {
    "openai": OpenAi,
    "anthropic": Anthropic,
    "litellm": LiteLlm,
    "litellm-anthropic": LiteLlmAnthropic,
}


# ---- In workers.


def ask_and_say(library: str, name: str, url: str) -> None:
    say(ask(library, Limiter(name), url, is_stream=False, is_async=False, duration=0))


def stream_and_say(library: str, name: str, url: str) -> None:
    ask(
        library,
        Limiter(name),
        url,
        is_stream=True,
        is_async=False,
        duration=ENDLESS,
        on_piece=lambda: say("first piece"),
    )
