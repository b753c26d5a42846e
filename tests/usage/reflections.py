"""Upstreams that say the key back, wherever an answer has room for it: scripts for a hostile server."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from tests.usage.hostile_server import Exchange, HangUp, Script, answer


def key_in(exchange: Exchange) -> str:
    """What of the request holds the key."""
    return exchange.header("Authorization") or exchange.header("X-Api-Key") or exchange.target


def reflect(exchange: Exchange) -> None:
    key = key_in(exchange)
    body = json.dumps({"n": key, "error": {"type": f"{key} is suspended"}, key: key}).encode()
    exchange.send(answer(body, status=403, headers={"X-Key": key, "Retry-After": key}))
    raise HangUp


def reflect_where_a_text_is_cut(exchange: Exchange) -> None:
    """So that a text of 200 characters ends just before the end of the key."""
    key = key_in(exchange)
    exchange.send(answer({"error": {"type": "." * (201 - len(key)) + key}}, status=403))


def reflect_rewritten(exchange: Exchange) -> None:
    key = key_in(exchange).removeprefix("Bearer ")
    kind = f"{quote(key, safe='')} {base64.b64encode(key.encode()).decode()} {key[:9]}... ...{key[-9:]}"
    exchange.send(answer({"error": {"type": kind}}, status=403))


def reflect_as_reading(exchange: Exchange) -> None:
    exchange.send(answer({"n": 1, "why": f"{key_in(exchange)}!"}))


def reflect_as_count(exchange: Exchange) -> None:
    exchange.send(answer({"n": key_in(exchange)}))


def reflect_as_text(exchange: Exchange) -> None:
    exchange.send(answer(exchange.head.encode("latin-1")))


def reflect_as_header_line(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 " + exchange.head.encode("latin-1").replace(b"\r\n", b"\x00") + b"\r\n\r\n")
    raise HangUp


def reflect_as_status_line(exchange: Exchange) -> None:
    exchange.send(key_in(exchange).encode("latin-1") + b"\r\n\r\n")
    raise HangUp


def reflect_as_chunk(exchange: Exchange) -> None:
    key = key_in(exchange).encode("latin-1")
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + key + b"\r\n")
    raise HangUp


def redirect(exchange: Exchange) -> None:
    exchange.send(answer(b"", status=307, headers={"Location": exchange.target}))


def unauthorised(exchange: Exchange) -> None:
    exchange.send(answer(b"", status=401, headers={"WWW-Authenticate": key_in(exchange)}))


FAILING: dict[str, Script] = {
    "reflect": reflect,
    "cut": reflect_where_a_text_is_cut,
    "rewritten": reflect_rewritten,
    "count": reflect_as_count,
    "text": reflect_as_text,
    "header-line": reflect_as_header_line,
    "status-line": reflect_as_status_line,
    "chunk": reflect_as_chunk,
    "redirect": redirect,
    "unauthorised": unauthorised,
    "silent": Exchange.hold,
}
"""What makes a poll fail, by name."""
