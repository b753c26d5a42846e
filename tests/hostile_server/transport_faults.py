"""What can go wrong with an answer before its content matters: silence, interruption, excess, and bad HTTP."""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING

from tests.hostile_server.upstream import COUNT, Fault
from tests.usage.hostile_server import Exchange, HangUp, answer, reset

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from tests.usage.hostile_server import Script

TIMEOUT = 1.0
"""Seconds that the poller here allows one poll."""

LATE = "^timed out after 1 s$"
BROKEN = (
    "^(the answer is not valid HTTP, or was cut short|the connection was lost: (Connection reset by peer|Broken pipe))$"
)
CANNOT_CONNECT = "^cannot connect: Connection refused$"
TOO_LONG = "^the answer is longer than 65536 bytes$"
COMPRESSED = "^the answer is compressed, which was not asked for$"

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"n": 0}'
DRIP = 0.05


def says(content: bytes) -> Script:
    """Say that, then nothing more until the other side gives up."""

    def script(exchange: Exchange) -> None:
        exchange.send(content)
        exchange.wait_for_the_end()

    return script


def hangs_up_after(content: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send(content)
        raise HangUp

    return script


def resets_after(content: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send(content)
        exchange.reset()

    return script


def drips(head: bytes, pieces: Iterable[bytes]) -> Script:
    """Slowly, so that no single wait is long, and without an end."""

    def script(exchange: Exchange) -> None:
        exchange.send(head)
        for piece in itertools.cycle(pieces):
            exchange.drip(piece, pause=DRIP)

    return script


def pours(head: bytes, piece: bytes) -> Script:
    """As fast as the other side reads, and without an end."""

    def script(exchange: Exchange) -> None:
        exchange.send(head)
        while True:
            exchange.send(piece)

    return script


def hang_up(connection: socket.socket) -> None:
    """At once."""


def reset_at_once(connection: socket.socket) -> None:
    reset(connection)


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def speak_first(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")
    while connection.recv(4096):
        pass


WHOLE = answer(BODY)
CHUNKS = CHUNKED + b"4\r\n" + BODY[:4] + b"\r\n4\r\n" + BODY[4:] + b"\r\n0\r\n\r\n"
# Where an answer may be cut: nothing of it, in the status line, in the headers, before the body, in the body.
CUTS = {
    "before the answer": b"",
    "in the status line": WHOLE[:9],
    "in the headers": WHOLE[:30],
    "before the body": WHOLE[: -len(BODY)],
    "in the body": WHOLE[:-3],
    "in the size of a chunk": CHUNKS[: len(CHUNKED) + 1],
    "in a chunk": CHUNKS[: len(CHUNKED) + 5],
    "after a chunk": CHUNKS[: len(CHUNKED) + 9],
    "before the end of the chunks": CHUNKS[:-5],
    "in the end of the chunks": CHUNKS[:-2],
}

SILENCE = {
    "no word": Fault(LATE, says(b"")),
    "no word after connecting": Fault(LATE, greeting=say_nothing),
    "no word after the status": Fault(LATE, says(OK)),
    "no word after the headers": Fault(LATE, says(WHOLE[: -len(BODY)])),
    "no word after a chunk": Fault(LATE, says(CUTS["after a chunk"])),
    "a status line that drips": Fault(LATE, drips(b"HTTP/1.1 200 ", [b"O"])),
    "headers that drip": Fault(LATE, drips(OK, [b"X-A: 1\r\n"])),
    "a body that drips": Fault(LATE, drips(answer(BODY, length=60_000), [b" "])),
    "chunks that drip": Fault(LATE, drips(CHUNKED + b"8\r\n" + BODY + b"\r\n", [b"1\r\n \r\n"])),
    "a body without a length that drips": Fault(LATE, drips(OK + b"\r\n" + BODY, [b" "])),
    "informational answers that drip": Fault(LATE, drips(b"", [b"HTTP/1.1 102 Processing\r\n\r\n"])),
}

INTERRUPTION = {
    "closed when it connects": Fault(BROKEN, greeting=hang_up),
    "reset when it connects": Fault(BROKEN, greeting=reset_at_once),
    **{f"closed {where}": Fault(BROKEN, hangs_up_after(content)) for where, content in CUTS.items()},
    **{
        f"reset {where}": Fault(BROKEN, resets_after(CUTS[where]))
        for where in ("before the answer", "in the headers", "in the body", "in a chunk")
    },
}

EXCESS = {
    "a body that says it is 10 MiB": Fault(TOO_LONG, says(answer(b"", length=10 << 20))),
    "a body that is 10 MiB": Fault(TOO_LONG, hangs_up_after(answer(BODY + b" " * (10 << 20)))),
    "a length of 18 digits": Fault(TOO_LONG, says(answer(BODY, length="9" * 18))),
    "a length of 5,000 digits": Fault(f"{BROKEN}|{TOO_LONG}", says(answer(BODY, length="9" * 5000))),
    "a body without end": Fault(TOO_LONG, pours(OK + b"\r\n", b" " * 65536)),
    "chunks without end": Fault(TOO_LONG, pours(CHUNKED, b"4000\r\n" + b" " * 16384 + b"\r\n")),
    "a status line without end": Fault(f"{BROKEN}|{LATE}", pours(b"HTTP/1.1 200 ", b"O" * 65536)),
    "a header without end": Fault(f"{BROKEN}|{LATE}", pours(OK + b"X: ", b"a" * 65536)),
    "headers without end": Fault(f"{BROKEN}|{LATE}", pours(OK, b"X: a\r\n" * 10_000)),
    "a header of 1 MiB": Fault(BROKEN, hangs_up_after(OK + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n" + BODY)),
    "100,000 headers": Fault(BROKEN, hangs_up_after(OK + b"X: a\r\n" * 100_000 + b"\r\n" + BODY)),
    "informational answers without end": Fault(
        f"{BROKEN}|{LATE}", pours(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 99)
    ),
    "a chunk extension of 1 MiB": Fault(BROKEN, hangs_up_after(CHUNKED + b"8;" + b"a" * (1 << 20) + b"\r\n" + BODY)),
    "trailers without end": Fault(
        f"{BROKEN}|{LATE}", pours(CHUNKED + b"8\r\n" + BODY + b"\r\n0\r\n", b"X: a\r\n" * 999)
    ),
    "a gzip bomb": Fault(
        COMPRESSED, says(answer(zlib.compress(bytes(10 << 20), 9, 31), headers={"Content-Encoding": "gzip"}))
    ),
    "a deflate bomb": Fault(
        COMPRESSED, says(answer(zlib.compress(bytes(10 << 20), 9), headers={"Content-Encoding": "deflate"}))
    ),
    "compression by another name": Fault(COMPRESSED, says(answer(BODY, headers={"Content-Encoding": "x-gzip, br"}))),
}

BAD_HTTP = {
    "another protocol": Fault(BROKEN, hangs_up_after(b"SSH-2.0-OpenSSH_9.2\r\n")),
    "another protocol that speaks first": Fault(f"{BROKEN}|{LATE}", greeting=speak_first),
    "HTTP/2 without asking": Fault(BROKEN, hangs_up_after(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64")),
    "an alert of TLS": Fault(BROKEN, hangs_up_after(b"\x15\x03\x01\0\x02\x02\x46")),
    "HTTP/0.9": Fault(BROKEN, hangs_up_after(BODY)),
    "no status": Fault(BROKEN, hangs_up_after(b"HTTP/1.1\r\n\r\n")),
    "a status of four digits": Fault(BROKEN, hangs_up_after(b"HTTP/1.1 2000 OK\r\n\r\n")),
    "a negative length": Fault(BROKEN, hangs_up_after(answer(BODY, length=-5))),
    "a length that is text": Fault(BROKEN, hangs_up_after(answer(BODY, length="many"))),
    "two lengths": Fault(BROKEN, hangs_up_after(answer(BODY, headers={"Content-Length": "9"}))),
    "a length that is too long": Fault(BROKEN, hangs_up_after(answer(BODY, length=99))),
    "a chunk of no size": Fault(BROKEN, hangs_up_after(CHUNKED + b"\r\n" + BODY)),
    "a chunk of size zz": Fault(BROKEN, hangs_up_after(CHUNKED + b"zz\r\n" + BODY)),
    "a chunk of negative size": Fault(BROKEN, hangs_up_after(CHUNKED + b"-8\r\n" + BODY)),
    "a chunk of a huge size": Fault(BROKEN, hangs_up_after(CHUNKED + b"f" * 40 + b"\r\n" + BODY)),
    "a chunk longer than its size": Fault(BROKEN, hangs_up_after(CHUNKED + b"2\r\n" + BODY + b"\r\n0\r\n\r\n")),
    "another transfer encoding": Fault(BROKEN, hangs_up_after(answer(BODY, headers={"Transfer-Encoding": "gzip"}))),
    "a header without a colon": Fault(BROKEN, hangs_up_after(OK + b"nonsense\r\n\r\n" + BODY)),
    "a header that begins with a space": Fault(BROKEN, hangs_up_after(OK + b" X: a\r\n\r\n" + BODY)),
    "a NUL in a header": Fault(BROKEN, hangs_up_after(answer(BODY, headers={"X": "\0"}))),
    "a second answer that nobody asked for": Fault(
        "^the answer came before the request$", lambda exchange: exchange.send(answer({"n": COUNT}) * 2)
    ),
    "switching protocols": Fault(
        BROKEN + "|^HTTP 101$",
        hangs_up_after(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + BODY),
    ),
}

TRANSPORT_FAULTS = {**SILENCE, **INTERRUPTION, **EXCESS, **BAD_HTTP}
