"""LiteLLM behind one limit, for models of OpenAI's API and of Anthropic's.

    pip install shmlimit litellm
    shmlimit emulate --limit 4 --port 8000 &                 # or your provider
    BASE_URL=http://127.0.0.1:8000 UMANS_API_KEY=any python examples/litellm_async.py

LiteLLM takes an httpx client in two places. `litellm.aclient_session` (and `client_session`, for `completion`) serves
the models that go through the openai client; the handlers of the other providers look at the argument `client` only.
Set the session before the first call: LiteLLM keeps the openai client that it has made with it.
"""

from __future__ import annotations

import asyncio
import os
import sys

import httpx
import litellm
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

from shmlimit import Limiter
from shmlimit.httpx import AsyncLimitedTransport
from shmlimit.usage import preset

NAME = os.environ.get("LIMITER", "litellm-example")
BASE_URL = os.environ["BASE_URL"]


async def main(questions: int) -> None:
    """Ask all questions at once, every other one of a model of Anthropic's API."""
    limiter = Limiter(NAME, limit=4, usage=preset("umans", url=f"{BASE_URL}/v1/usage"))
    transport = AsyncLimitedTransport(limiter, provider="umans")
    litellm.aclient_session = httpx.AsyncClient(transport=transport, timeout=60)
    handler = AsyncHTTPHandler(transport=transport, timeout=60)
    asked = []
    for number in range(questions):
        messages = [{"role": "user", "content": f"question {number}"}]
        if number % 2:
            asked.append(litellm.acompletion("openai/any", api_base=f"{BASE_URL}/v1", api_key="any", messages=messages))
        else:
            asked.append(
                litellm.acompletion(
                    "anthropic/any", api_base=BASE_URL, api_key="any", messages=messages, client=handler
                )
            )
    answers = await asyncio.gather(*asked)
    print(f"{len(answers)} answers")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
