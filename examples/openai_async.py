"""An asyncio program with the official openai client: a hundred questions at once, four in flight.

pip install shmlimit openai
shmlimit emulate --limit 4 --port 8000 &                 # or your provider
OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=any UMANS_API_KEY=any python examples/openai_async.py
"""

from __future__ import annotations

import asyncio
import os
import sys

import httpx2
import openai

from shmlimit import Limiter
from shmlimit.httpx2 import AsyncLimitedTransport
from shmlimit.usage import preset

NAME = os.environ.get("LIMITER", "openai-example")


async def main(questions: int) -> None:
    """Ask all questions at once; the limiter decides when each goes out."""
    usage = preset("umans", url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/v1/usage")
    transport = AsyncLimitedTransport(Limiter(NAME, limit=4, usage=usage), provider="umans")
    async with openai.AsyncOpenAI(http_client=httpx2.AsyncClient(transport=transport, timeout=60)) as client:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model="any", messages=[{"role": "user", "content": f"question {number}"}]
                )
                for number in range(questions)
            )
        )
    print(f"{len(answers)} answers")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
