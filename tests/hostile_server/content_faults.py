"""What can be wrong with an answer that is good HTTP: its status, its format, the count in it."""

from __future__ import annotations

import json

from tests.hostile_server.transport_faults import hangs_up_after, says
from tests.hostile_server.upstream import Fault, be_good
from tests.usage.hostile_server import Exchange, Script, answer

NO_JSON = "^the answer is not valid JSON, or not an object or array$"
TOO_LONG = "^the answer is longer than 65536 bytes$"


def status(number: int, **headers: str) -> Fault:
    """A status that is no answer, with a body that would be one."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(f"^HTTP {number}\\b", says_once(answer({"n": 0}, status=number, headers=said)))


def says_once(content: bytes) -> Script:
    """Answer, and leave the connection open for the next request."""
    return lambda exchange: exchange.send(content)


def redirect_to_itself(exchange: Exchange) -> None:
    exchange.send(answer(b"", status=302, headers={"Location": exchange.target}))


def body(content: bytes | str, reason: str = NO_JSON) -> Fault:
    return Fault(reason, says_once(answer(content if isinstance(content, bytes) else content.encode())))


def count(value: object, what: str) -> Fault:
    return Fault(f"^field /n is {what}$", says_once(answer({"n": value})))


STATUSES = {
    **{f"status {number}": status(number) for number in (201, 204, 206, 304, 400, 401, 403, 404)},
    **{f"status {number}": status(number) for number in (418, 500, 502, 599)},
    "status 429 without a word when": status(429),
    "status 503 without a word when": status(503),
    "status 429 with a negative time": status(429, Retry_After="-5"),
    "status 429 with a time in the past": status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "status 429 with garbage for a time": status(429, Retry_After="soon\u00e9"),
    "status 429 with a time that is no number": status(429, Retry_After="nan"),
    "status 429 with an infinite time": status(429, Retry_After="inf"),
    "status 429 with hexadecimal time": status(429, Retry_After="0x10"),
    "a redirect to itself": Fault("^HTTP 302, and redirects are not followed$", redirect_to_itself),
    **{
        f"a redirect to {where}": status(307, Location=where)
        for where in (
            "http://192.0.2.1/",
            "https://h.example/",
            "//h.example",
            "file:///etc/passwd",
            "",
            "/\u00e9",
            ":",
        )
    },
}

BODIES = {
    "no body": body(b""),
    "blanks": body(b"  \r\n"),
    "a page of HTML": body("<!doctype html><title>Bad gateway</title>"),
    "a byte order mark": body(b'\xef\xbb\xbf{"n": 0}'),
    "UTF-16": body(json.dumps({"n": 0}).encode("utf-16")),
    "UTF-32": body(json.dumps({"n": 0}).encode("utf-32-le")),
    "Latin-1": body('{"n": 0, "x": "\u00e9"}'.encode("latin-1")),
    "bytes that are no text": body(bytes(range(256))),
    "a surrogate in UTF-8": body(b'{"n": 0, "x": "\xed\xa0\x80"}'),
    "JSON that is cut": body('{"n": 0'),
    "JSON with more behind it": body('{"n": 0} {"n": 0}'),
    "a comma too many": body('{"n": 0,}'),
    "a comment": body('{"n": 0 /* none */}'),
    "single quotes": body("{'n': 0}"),
    "a NUL at the end": body(b'{"n": 0}\0'),
    "a callback": body('f({"n": 0})'),
    "NaN": body('{"n": NaN}'),
    "infinity": body('{"n": Infinity}'),
    "minus infinity": body('{"n": -Infinity}'),
    "1e400": body('{"n": 1e400}'),
    "NaN elsewhere": body('{"n": 0, "x": NaN}'),
    "a leading zero": body('{"n": 01}'),
    "a plus sign": body('{"n": +1}'),
    "60,000 digits": body('{"n": ' + "1" * 60_000 + "}"),
    "60,000 digits behind the point": body('{"n": 0.' + "1" * 60_000 + "}"),
    "the count twice": body('{"n": 0, "n": 0}'),
    "another field twice": body('{"n": 0, "x": 1, "x": 1}'),
    "20,000 brackets": body('{"n": 0, "x": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    "20,000 braces": body('{"n": 0, "x": ' + '{"x":' * 10_000 + "0" + "}" * 10_000 + "}"),
    "100,000 brackets": body('{"n": 0, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", TOO_LONG),
    "a text of 100,000 letters": body('{"n": 0, "x": "' + "a" * 100_000 + '"}', TOO_LONG),
    "a number": body("0"),
    "a text": body('"0"'),
    "null": body("null"),
    "a length that is too short": Fault(NO_JSON, hangs_up_after(answer({"n": 0}, length=5))),
    "a length that is too short, the connection kept": Fault(NO_JSON, says(answer({"n": 0}, length=5))),
    "gzip without saying so": body(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\x56\xca\x53\xb2\x32\xa8\x05\0"),
}

COUNTS = {
    "nothing": body("{}", "^field /n is missing$"),
    "an array": body("[0]", "^field /n is missing$"),
    "another spelling": body('{"N": 0}', "^field /n is missing$"),
    "a count of null": count(None, "null, not a number"),
    "a count of true": count(True, "a boolean, not a number"),
    "a count of false": count(False, "a boolean, not a number"),
    "a count that is an empty text": count("", "text, not a number"),
    "a count in words": count("none", "text, not a number"),
    "a count with a blank": count(" 0", "text, not a number"),
    "a count in Arabic digits": count("\u0660", "text, not a number"),
    "a count that is text of 100 digits": count("1" * 100, "text, not a number"),
    "a count in an array": count([0], "an array, not a number"),
    "a count in an object": count({"now": 0}, "an object, not a number"),
    "a negative count": count(-1, "-1, not a finite number of at least 0"),
    "a count just below nothing": count(-1e-9, "-1e-09, not a finite number of at least 0"),
    "a count far below nothing": count(-(10**60), r"-1e\+60, not a finite number of at least 0"),
    "a count beyond all numbers": body('{"n": 1e300}', "^the count 1e\\+300 is not a number of sessions$"),
    "a count of 64 digits": body('{"n": ' + "9" * 64 + "}", "^the count 1e\\+64 is not a number of sessions$"),
}

CONTENT_FAULTS = {**STATUSES, **BODIES, **COUNTS}

HEAD = b"HTTP/1.1 200 OK\r\n"
UNUSUAL: dict[str, tuple[Script, float]] = {
    "nothing out of the ordinary": (be_good, 9),
    "a few informational answers first": (says_once(b"HTTP/1.1 102 Processing\r\n\r\n" * 9 + answer({"n": 8})), 8),
    "an answer in chunks of a byte": (
        says_once(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n6;x=y\r\n" + b'"n": 7\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n'
        ),
        7,
    ),
    "an answer that the end of the connection ends": (hangs_up_after(b'HTTP/1.0 200 OK\r\n\r\n{"n": 8}'), 8),
    "a status without a word": (says_once(b'HTTP/1.1 200\r\nContent-Length: 8\r\n\r\n{"n": 7}'), 7),
    "another content type": (says_once(answer({"n": 8}, headers={"Content-Type": "image/png; charset=utf-16"})), 8),
    "identity for a compression": (says_once(answer({"n": 7}, headers={"Content-Encoding": "identity"})), 7),
    "cookies": (says_once(answer({"n": 8}, headers={"Set-Cookie": "a=b; Max-Age=99"})), 8),
    "a date of 1970": (says_once(answer({"n": 7}, headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"})), 7),
    "a date of 9999": (says_once(answer({"n": 8}, headers={"Date": "Fri, 31 Dec 9999 23:59:59 GMT"})), 8),
    "a date that is none": (says_once(answer({"n": 7}, headers={"Date": "now"})), 7),
    "a Retry-After with a good answer": (says_once(answer({"n": 8}, headers={"Retry-After": "3600"})), 8),
    "a redirect's header with a good answer": (
        says_once(answer({"n": 7}, headers={"Location": "http://192.0.2.1/"})),
        7,
    ),
    "the count as text": (says_once(answer({"n": "8"})), 8),
    "the count as a fraction": (says_once(answer({"n": 7.5})), 7.5),
    "the count as a power": (says_once(answer(b'{"n": 80e-1}')), 8),
    "more fields": (says_once(answer({"m": [1, {"n": 2}], "n": 7, "\ud800": "\udfff", "x": "a" * 60_000})), 7),
    "blanks all around": (says_once(answer(b" \r\n\t" * 9_000 + b'{"n": 8}' + b"\n" * 9_000)), 8),
    "a header of 8 KiB": (says_once(answer({"n": 7}, headers={"X": "a" * 8192})), 7),
    "200 headers": (says_once(answer({"n": 8}, headers={f"X-{n}": "a" for n in range(200)})), 8),
}
"""Answers that are odd and good all the same, with the count in them."""
