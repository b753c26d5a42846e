"""A source for pollers whose look-ups of names the test decides: the addresses that a host has are in a file."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from shmlimit.usage import HttpUsage

URL = "SHMLIMIT_TEST_URL"
HOSTS = "SHMLIMIT_TEST_HOSTS"


really_look_up = socket.getaddrinfo


def look_up(host: str, port: int, *args: Any, **options: Any) -> Any:
    """In place of socket.getaddrinfo: the file holds addresses, or a word for what goes wrong."""
    if host != "localhost":
        return really_look_up(host, port, *args, **options)
    said = _said()
    if said == ["fail"]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    if said == ["garble"]:
        raise UnicodeError("label too long")
    if said == ["hang"]:
        while _said() == said:
            time.sleep(0.01)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    family = {True: socket.AF_INET6, False: socket.AF_INET}
    return [(family[":" in address], socket.SOCK_STREAM, 6, "", (address, port)) for address in said]


def _said() -> list[str]:
    return Path(os.environ[HOSTS]).read_text().split()


def make() -> HttpUsage:
    """In the poller: the source, over look-ups that the test decides."""
    socket.getaddrinfo = look_up  # type: ignore[assignment]
    return HttpUsage(os.environ[URL], in_flight="/n", timeout=1, min_interval=0.05)


if URL in os.environ:
    source = make()
