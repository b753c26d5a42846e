"""`python -m shmlimit.poller [--detach] NAME`: what the first waiter starts."""

from __future__ import annotations

import os
import sys

from shmlimit.errors import LimiterNotFound
from shmlimit.poller import run


def main() -> int:
    """Poll; with --detach in a child of its own, so that whoever started this can reap it at once."""
    arguments = sys.argv[1:]
    detach = arguments[:1] == ["--detach"]
    if len(arguments) != 1 + detach:
        sys.stderr.write("usage: python -m shmlimit.poller [--detach] NAME\n")
        return 2
    if detach and os.fork():
        os._exit(0)
    try:
        return run(arguments[-1])
    except LimiterNotFound:
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
