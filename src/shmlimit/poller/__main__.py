"""`python -m shmlimit.poller [--on-demand] NAME`: what the first waiter starts."""

from __future__ import annotations

import sys

from shmlimit.errors import ShmlimitError
from shmlimit.poller import run


def main() -> int:
    """Poll; the exit status is run's, 2 where the limiter cannot be attached to, 130 after Ctrl-C."""
    arguments = sys.argv[1:]
    on_demand = arguments[:1] == ["--on-demand"]
    if len(arguments) != 1 + on_demand or arguments[-1].startswith("-"):
        sys.stderr.write("usage: python -m shmlimit.poller [--on-demand] NAME\n")
        return 2
    try:
        return run(arguments[-1], on_demand=on_demand)
    except (ShmlimitError, OSError) as error:
        sys.stderr.write(f"shmlimit poller: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
