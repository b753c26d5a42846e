"""Serving the emulated upstream on 127.0.0.1, from the first line to the closing one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING

import uvicorn

from shmlimit.emulate import foreign
from shmlimit.emulate.account import Account
from shmlimit.emulate.app import build_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Scope

    from shmlimit.emulate.settings import EmulatorSettings
    from shmlimit.emulate.truth import TruthLog

HOST = "127.0.0.1"
BACKLOG = 512


def listen(port: int) -> socket.socket:
    """Open the listening socket on 127.0.0.1; port 0 lets the system choose.

    Raises:
        OSError: The port is in use or not allowed.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    settings: EmulatorSettings,
    listener: socket.socket,
    *,
    api_key: str | None = None,
    truth: TruthLog | None = None,
    announce: Callable[[str], None] | None = None,
    until_stdin_closes: bool = False,
) -> Account:
    """Serve until SIGINT or SIGTERM, blocking, and give the account with its final counts.

    Must be called in the main thread. Closes *listener* and *truth*.

    Args:
        settings: What the upstream is like; its port and truth are the caller's business.
        listener: The socket to serve on.
        api_key: The only accepted key; None accepts any.
        truth: Where truth records go; None drops them.
        announce: Called with the URL once requests are answered.
        until_stdin_closes: End at the end of standard input as well, so that a parent that dies takes the
            emulator with it.
    """
    with ExitStack() as resources:
        resources.enter_context(listener)
        if truth is not None:
            resources.enter_context(truth)
        return asyncio.run(_serve(settings, listener, api_key, truth, announce, until_stdin_closes))


async def _serve(
    settings: EmulatorSettings,
    listener: socket.socket,
    api_key: str | None,
    truth: TruthLog | None,
    announce: Callable[[str], None] | None,
    until_stdin_closes: bool,
) -> Account:
    loop = asyncio.get_running_loop()
    account = Account(
        settings,
        clock=time.monotonic,
        # A seed is for repeatable runs, not for secrets.
        random=Random(settings.seed),  # noqa: S311
        record=None if truth is None else truth.write,
        # A timer may fire a clock tick early; one millisecond later is surely due.
        on_leave_due=lambda at: _settle_at(loop, at + 0.001, account),
    )
    server = LoopbackServer(account, settings, api_key, announce, url_of(listener))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, server)
    clients = asyncio.ensure_future(foreign.drive(foreign.ForeignLoad.parse(settings.foreign), account))
    try:
        await server.serve(sockets=[listener])
    finally:
        clients.cancel()
        account.finish()
    return account


def url_of(listener: socket.socket) -> str:
    """Give the URL that *listener* is reached at."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


class LoopbackServer(uvicorn.Server):
    """The HTTP server: no signal handling of its own, and an end that waits for nobody."""

    def __init__(
        self,
        account: Account,
        settings: EmulatorSettings,
        api_key: str | None,
        announce: Callable[[str], None] | None,
        url: str,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                build_app(account, api_key=api_key, hang_up=self.hang_up),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                backlog=BACKLOG,
                # A connection that idles while its worker waits for a permit must not be closed under it.
                timeout_keep_alive=3600,
            )
        )
        self.account = account
        self.announce = announce
        self.url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets=sockets)
        if self.announce is not None:
            self.announce(self.url)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the event loop has handlers that stop at once and end with exit code 0."""
        yield

    def stop(self) -> None:
        """Close the log and every connection, and end."""
        self.account.finish()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.should_exit = self.force_exit = True

    def hang_up(self, scope: Scope, flush: bool) -> None:
        """Close the connection of a request, after sending what is buffered or at once."""
        for connection in list(self.server_state.connections):
            if connection.transport.get_extra_info("peername") == scope["client"]:
                if flush:
                    connection.transport.close()
                else:
                    connection.transport.abort()


def _settle_at(loop: asyncio.AbstractEventLoop, at: float, account: Account) -> None:
    loop.call_at(at, account.settle)


def _stop_at_end_of_input(server: LoopbackServer) -> None:
    try:
        ended = not os.read(sys.stdin.fileno(), 4096)
    except OSError:
        ended = True
    if ended:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        server.stop()
