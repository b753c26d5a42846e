"""An asyncio program with the official anthropic client: a hundred questions at once, four in flight.

pip install shmlimit anthropic
shmlimit emulate --limit 4 --port 8000 &                 # or your provider
ANTHROPIC_BASE_URL=http://127.0.0.1:8000 ANTHROPIC_API_KEY=any UMANS_API_KEY=any python examples/anthropic_async.py
"""

from __future__ import annotations

import asyncio
import os
import sys

import anthropic
import httpx2

from shmlimit import Limiter
from shmlimit.httpx2 import AsyncLimitedTransport
from shmlimit.usage import preset

NAME = os.environ.get("LIMITER", "anthropic-example")


async def main(questions: int) -> None:
    """Ask all questions at once; the limiter decides when each goes out."""
    usage = preset("umans", url=os.environ["ANTHROPIC_BASE_URL"] + "/v1/usage")
    transport = AsyncLimitedTransport(Limiter(NAME, limit=4, usage=usage), provider="umans")
    async with anthropic.AsyncAnthropic(http_client=httpx2.AsyncClient(transport=transport, timeout=60)) as client:
        answers = await asyncio.gather(
            *(
                client.messages.create(
                    model="any", max_tokens=1024, messages=[{"role": "user", "content": f"question {number}"}]
                )
                for number in range(questions)
            )
        )
    print(f"{len(answers)} answers")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
