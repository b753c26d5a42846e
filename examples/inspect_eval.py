"""An evaluation with inspect_ai whose model calls go through one limit, shared with whatever else runs on this host.

    pip install shmlimit inspect-ai openai
    shmlimit emulate --limit 4 --port 8000 &                 # or your provider
    OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=any python examples/inspect_eval.py

`max_connections` counts in one process, the limiter in all. Keep it above the limit: then the limiter decides.
"""

from __future__ import annotations

import os
import sys

import httpx2
from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes

from shmlimit import Limiter
from shmlimit.httpx2 import AsyncLimitedTransport


def main(questions: int) -> None:
    """Ask all questions, and score the answers."""
    limiter = Limiter(os.environ.get("LIMITER", "inspect-example"), limit=4)
    model = get_model(
        "openai/any",
        config=GenerateConfig(max_connections=100),
        http_client=httpx2.AsyncClient(transport=AsyncLimitedTransport(limiter), timeout=600),
        responses_api=False,
    )
    samples = [Sample(input=f"question {number}", target="Done.") for number in range(questions)]
    (log,) = eval(Task(dataset=samples, scorer=includes()), model=model, display="none")
    print(f"{log.status}: {len(log.samples or [])} answers")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
