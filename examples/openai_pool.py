"""A pool of processes, each with the official openai client, behind one limit.

    pip install shmlimit openai
    shmlimit emulate --limit 4 --port 8000 &                 # or your provider
    OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=any UMANS_API_KEY=any python examples/openai_pool.py

Each call holds a permit until its answer has been read, streams included. The client's own retries stay on: a retry
needs a permit of its own. openai from version 3 on is built on httpx2: hence `shmlimit.httpx2`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys

import httpx2
import openai

from shmlimit import Limiter
from shmlimit.httpx2 import LimitedTransport
from shmlimit.usage import preset

NAME = os.environ.get("LIMITER", "openai-example")
WORKERS = 8


def ask(question: int) -> int:
    """Answer one question, streamed: the number of pieces in which the answer came."""
    transport = LimitedTransport(Limiter(NAME), provider="umans", label=f"question {question}")
    with openai.OpenAI(http_client=httpx2.Client(transport=transport, timeout=60)) as client:
        stream = client.chat.completions.create(
            model="any", stream=True, messages=[{"role": "user", "content": f"question {question}"}]
        )
        return sum(1 for piece in stream if piece.choices)


def main(questions: int) -> None:
    """Create the limiter, with the provider's own count as a gate, and set the pool to work."""
    usage = preset("umans", url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/v1/usage")
    limiter = Limiter(NAME, limit=4, usage=usage)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["openai", "shmlimit.httpx2", "shmlimit.usage"])  # imported once, not by each worker
    with context.Pool(WORKERS) as pool:
        pieces = pool.map(ask, range(questions), chunksize=1)
    print(f"{len(pieces)} answers; {limiter.status().counters.queued_grants} calls waited for a permit")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
