"""A FastAPI app under gunicorn: four workers that call one upstream, behind one limit.

    pip install shmlimit fastapi gunicorn uvicorn-worker
    shmlimit emulate --limit 4 --port 8000 &                 # or your provider
    export UPSTREAM=http://127.0.0.1:8000/v1
    gunicorn --chdir examples -w 4 -k uvicorn_worker.UvicornWorker -b 127.0.0.1:8001 fastapi_app:app &
    curl -d '{"duration": 2}' http://127.0.0.1:8001/ask

Kill a worker while it serves: gunicorn starts another one, the permits of its calls come back.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI, Request

from shmlimit import Limiter
from shmlimit.httpx import AsyncLimitedTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The first worker creates it, the others attach; with --preload the workers inherit it, which works as well.
limiter = Limiter(os.environ.get("LIMITER", "fastapi-example"), limit=4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open one client for each worker."""
    transport = AsyncLimitedTransport(limiter)
    async with httpx.AsyncClient(transport=transport, base_url=os.environ["UPSTREAM"], timeout=60) as upstream:
        yield {"upstream": upstream}


app = FastAPI(lifespan=lifespan)


@app.post("/ask")
async def ask(request: Request) -> Any:
    """Pass a question on; while there is no permit, it waits without blocking the worker."""
    answer = await request.state.upstream.post("/chat/completions", content=await request.body())
    return answer.json()


@app.get("/limiter")
def status() -> dict[str, Any]:
    """What the limiter says, the same in all workers."""
    return limiter.status().to_dict()
