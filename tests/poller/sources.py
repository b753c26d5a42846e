"""Sources of usage for pollers in processes of their own: what they say is in a file that the test writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shmlimit.usage import UpstreamBlocked, Usage, UsageError

ANSWER = "SHMLIMIT_TEST_ANSWER"


def said() -> Any:
    """Evaluate the file: an expression, or a statement that raises."""
    text = Path(os.environ[ANSWER]).read_text()
    known = {"Usage": Usage, "UsageError": UsageError, "UpstreamBlocked": UpstreamBlocked}
    if text.startswith("raise "):
        exec(text, known)
    return eval(text, known)
