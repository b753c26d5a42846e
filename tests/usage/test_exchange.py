"""What HttpUsage sends, and which answers it takes for a reading: all over real HTTP."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit.usage import HttpUsage, UpstreamBlocked, Usage, UsageError

from .hostile_server import Exchange, HangUp, answer

if TYPE_CHECKING:
    from .conftest import Serve
    from .hostile_server import Script

COUNT = "/usage/concurrent_sessions"


def counting(value: object) -> dict[str, Any]:
    return {"usage": {"concurrent_sessions": value}}


def poll(url: str, **options: Any) -> Usage:
    with HttpUsage(url, **{"in_flight": COUNT, **options}) as source:
        return source.get_usage()


def failure(serve: Serve, script: Script | bytes, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        poll(serve(script).url(), **options)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_count_that_is_there_is_the_reading(serve: Serve) -> None:
    assert poll(serve(answer(counting(3))).url()) == Usage(3.0)


def test_several_counts_add_up(serve: Serve) -> None:
    server = serve(answer({"jobs": {"running": 2, "queued": 5}}))
    assert poll(server.url(), in_flight=["/jobs/running", "/jobs/queued"]).concurrent_sessions == 7


def test_a_request_is_a_plain_get_of_the_whole_target(serve: Serve) -> None:
    server = serve(answer(counting(0)))
    poll(server.url("/a/b?window=5h&x=%20"), headers={"X-Team": "red"})
    (exchange,) = server.exchanges
    assert exchange.head.startswith("GET /a/b?window=5h&x=%20 HTTP/1.1\r\n")
    assert exchange.header("Host") == f"127.0.0.1:{server.port}"
    assert exchange.header("Accept-Encoding") == "identity"
    assert exchange.header("X-Team") == "red"
    assert exchange.header("Authorization") is None


@pytest.mark.usefixtures("patient_connection")
def test_polls_share_one_connection(serve: Serve) -> None:
    server = serve(answer(counting(1)))
    with HttpUsage(server.url(), in_flight=COUNT) as source:
        assert [source.get_usage().concurrent_sessions for _ in range(3)] == [1, 1, 1]
    assert (server.connections, len(server.exchanges)) == (1, 3)


def test_a_connection_that_the_server_has_closed_is_opened_anew(serve: Serve) -> None:
    def once(exchange: Exchange) -> None:
        exchange.send(answer(counting(1), headers={"Connection": "close"}))
        raise HangUp

    server = serve(once)
    with HttpUsage(server.url(), in_flight=COUNT) as source:
        assert [source.get_usage().concurrent_sessions for _ in range(2)] == [1, 1]
    assert server.connections == 2


def test_a_failed_poll_does_not_spoil_the_next(serve: Serve) -> None:
    answers = iter([b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", answer(counting(2))])

    def script(exchange: Exchange) -> None:
        exchange.send(next(answers))

    with HttpUsage(serve(script).url(), in_flight=COUNT) as source:
        with pytest.raises(UsageError):
            source.get_usage()
        assert source.get_usage() == Usage(2.0)


@pytest.mark.usefixtures("patient_connection")
def test_an_answer_that_came_before_the_request_is_not_its_answer(serve: Serve) -> None:
    server = serve(answer(counting(1)) + answer(counting(0)))
    with HttpUsage(server.url(), in_flight=COUNT) as source:
        assert source.get_usage() == Usage(1.0)
        with pytest.raises(UsageError, match=r"^the answer came before the request$"):
            source.get_usage()
        assert source.get_usage() == Usage(1.0)
    assert server.connections == 2


def test_a_cookie_is_not_kept(serve: Serve) -> None:
    server = serve(answer(counting(1), headers={"Set-Cookie": "id=1; Path=/"}))
    with HttpUsage(server.url(), in_flight=COUNT) as source:
        source.get_usage()
        source.get_usage()
    assert server.exchanges[1].header("Cookie") is None


def test_a_proxy_from_the_environment_is_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(answer(counting(9)))
    monkeypatch.setenv("http_proxy", proxy.url("/"))
    monkeypatch.setenv("all_proxy", proxy.url("/"))
    assert poll(serve(answer(counting(1))).url()) == Usage(1.0)
    assert proxy.exchanges == []


def test_localhost_is_found_by_its_name(serve: Serve) -> None:
    server = serve(answer(counting(1)))
    assert poll(f"http://localhost:{server.port}/") == Usage(1.0)
    assert server.exchanges[0].header("Host") == f"localhost:{server.port}"


def test_a_localhost_that_leads_elsewhere_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(answer(counting(1)))
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", server.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: elsewhere)
    with pytest.raises(UsageError, match="the host name localhost has no usable address"):
        poll(f"http://localhost:{server.port}/")


def test_the_next_address_of_a_host_is_tried(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(answer(counting(1)))
    look_up = socket.getaddrinfo

    def two_addresses(host: str, *args: Any, **options: Any) -> Any:
        if host != "localhost":
            return look_up(host, *args, **options)
        # Nothing listens on the first one: the server is on 127.0.0.1 alone.
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port)) for ip in ("127.9.9.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    assert poll(f"http://localhost:{server.port}/") == Usage(1.0)


def test_a_host_without_address_is_a_failed_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UsageError, match=r"the host name usage.invalid cannot be resolved"):
        poll("https://usage.invalid/")


def test_a_refused_connection_is_a_failed_poll() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UsageError, match=r"^cannot connect: Connection refused$"):
        poll(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 403, 404, 429, 500, 502, 503])
def test_any_other_status_is_a_failed_poll(serve: Serve, status: int) -> None:
    assert str(failure(serve, answer(counting(1), status=status))) == f"HTTP {status}"


def test_a_redirect_is_not_followed_and_the_key_does_not_travel(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHMLIMIT_TEST_KEY", "CANARY-7f3a")
    target = serve(answer(counting(1)))
    first = answer(counting(2), status=302, headers={"Location": target.url()})
    error = failure(serve, first, auth="bearer:env:SHMLIMIT_TEST_KEY")
    assert str(error) == "HTTP 302, and redirects are not followed"
    assert target.exchanges == []


def test_informational_answers_are_passed_over(serve: Serve) -> None:
    assert poll(serve(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + answer(counting(1))).url()) == Usage(1.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-4", 0.0),
        ("1000000000000", 3600.0),
        ("9" * 6000, 3600.0),
        ("soon", None),
        ("", None),
        ("\u0667".encode().decode("latin-1"), None),
        ("Wed, 21 Oct 2015 07:29:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2025 07:27:00 GMT", 3600.0),
        ("Wed, 99 Oct 2015 07:27:00 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_told_in_bounds(serve: Serve, header: str, seconds: float | None, status: int) -> None:
    # The server's clock is years behind; a date is read on the server's clock, not on ours.
    headers = {"Retry-After": header, "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    error = failure(serve, answer(b"", status=status, headers=headers))
    assert error.retry_after == seconds


def test_retry_after_of_other_statuses_is_not_told(serve: Serve) -> None:
    assert failure(serve, answer(b"", status=500, headers={"Retry-After": "7"})).retry_after is None


@pytest.mark.parametrize("status", [403, 451])
def test_a_blocked_status_is_an_answer_of_its_own(serve: Serve, status: int) -> None:
    body = {"error": {"type": "account_suspended", "boxed_until": "2026-07-03T12:00:00Z"}}
    error = failure(serve, answer(body, status=status), blocked_status=[403, 451])
    assert isinstance(error, UpstreamBlocked)
    assert error.blocked_until == 1783080000.0
    assert error.reason == "account_suspended"
    assert str(error) == f"blocked by the upstream (HTTP {status}): account_suspended"


@pytest.mark.parametrize(
    ("body", "until", "reason"),
    [
        ({"priority": {"until": "2026-07-03T14:00:00+02:00", "why": "cap_abuse"}}, 1783080000.0, "cap_abuse"),
        ({"priority": {"until": 1783080000, "why": "rate_limited"}}, 1783080000.0, "rate_limited"),
        ({"priority": {"until": "later", "why": 5}}, None, "HTTP 403"),
        (
            {"error": "suspended since 2026-07-03T07:00:00Z until 2026-07-03T12:00:00Z"},
            1783080000.0,
            "HTTP 403",
        ),
        (b"account_suspended until 2026-07-03T12:00:00.000000+00:00.", 1783080000.0, "HTTP 403"),
        (b"suspended until 2026-07-03 12:00:00", 1783080000.0, "HTTP 403"),
        (b"<html>Forbidden</html>", None, "HTTP 403"),
        (b"\xff\xfe", None, "HTTP 403"),
        (b"", None, "HTTP 403"),
        (b"x" * 70_000, None, "HTTP 403"),
    ],
)
def test_the_end_of_a_block_is_found_wherever_it_stands(
    serve: Serve, body: object, until: float | None, reason: str
) -> None:
    options = {"blocked_until": "/priority/until", "blocked_reason": "/priority/why"}
    error = failure(serve, answer(body, status=403), blocked_status=[403], **options)
    assert isinstance(error, UpstreamBlocked)
    assert (error.blocked_until, error.reason) == (until, reason)


@pytest.mark.parametrize(
    ("body", "blocked"),
    [
        (b'{"error": {"type": "account_suspended"}}', True),
        (b"\xff account_suspended", True),
        (b'{"error": {"message": "invalid API key"}}', False),
        (b"", False),
    ],
)
def test_a_blocked_status_needs_the_body_that_means_it(serve: Serve, body: bytes, blocked: bool) -> None:
    options = {"blocked_status": [403], "blocked_body": "account_suspended|cap_abuse"}
    error = failure(serve, answer(body, status=403), **options)
    assert isinstance(error, UpstreamBlocked) is blocked
    assert blocked or str(error) == "HTTP 403"


def test_a_blocked_status_that_is_not_listed_is_a_failed_poll(serve: Serve) -> None:
    assert not isinstance(failure(serve, answer(b"", status=403)), UpstreamBlocked)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1",
        b"\x00\x01\x02\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 100_000 + b"\r\n{}",
    ],
    ids=lambda content: content[:80],
)
def test_broken_http_is_a_failed_poll(serve: Serve, content: bytes) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(content)
        raise HangUp

    reason = str(failure(serve, script))
    assert reason in {
        "the answer is not valid HTTP, or was cut short",
        "the connection was lost: Connection reset by peer",
    }


def test_an_answer_ended_by_the_close_of_the_connection_is_read(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(b'HTTP/1.0 200 OK\r\n\r\n{"usage": {"concurrent_sessions": 4}}')
        raise HangUp

    assert poll(serve(script).url()) == Usage(4.0)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_answer_is_refused(serve: Serve, encoding: str) -> None:
    reason = str(failure(serve, answer(counting(1), headers={"Content-Encoding": encoding})))
    assert reason == "the answer is compressed, which was not asked for"


def test_an_answer_that_says_it_is_not_compressed_is_read(serve: Serve) -> None:
    assert poll(serve(answer(counting(1), headers={"Content-Encoding": "identity"})).url()) == Usage(1.0)


def padded(size: int) -> bytes:
    body = answer(counting(1)).partition(b"\r\n\r\n")[2]
    return body + b" " * (size - len(body))


def test_a_body_of_64_kib_is_read(serve: Serve) -> None:
    assert poll(serve(answer(padded(65536))).url()) == Usage(1.0)


def test_a_body_declared_longer_than_64_kib_is_refused_unread(serve: Serve) -> None:
    # Only the head is sent: waiting for the body would end in another failure.
    assert str(failure(serve, answer(b"", length=65537))) == "the answer is longer than 65536 bytes"
    assert str(failure(serve, answer(b"", length="9" * 18))) == "the answer is longer than 65536 bytes"


def test_a_body_found_longer_than_64_kib_is_refused_without_reading_on(serve: Serve) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        # Whoever reads on is stopped by the deadline alone, with another reason.
        while True:
            exchange.send(b"4000\r\n" + b" " * 16384 + b"\r\n")

    assert str(failure(serve, endless)) == "the answer is longer than 65536 bytes"


DEEP = b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEEPISH = b'{"usage":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"<html><body>Bad gateway</body></html>",
        b'{"usage": {"concurrent_sessions": 1',
        b'{"usage": {"concurrent_sessions": 1}} x',
        b'{"usage": {"concurrent_sessions": NaN}}',
        b'{"usage": {"concurrent_sessions": 1}, "x": Infinity}',
        b'{"usage": {"concurrent_sessions": 1}, "x": 1e400}',
        b'{"usage": {"concurrent_sessions": 1, "concurrent_sessions": 0}}',
        b'{"usage": {"concurrent_sessions": 1}, "x": "\x01"}',
        b'{"usage": {"concurrent_sessions": 1}, "x": ' + b"1" * 60_000 + b"}",
        b'{"usage": {"concurrent_sessions": 1}, "x": 0.' + b"1" * 60_000 + b"}",
        DEEPISH,
        b"3",
        b'"3"',
        b"null",
        b"true",
    ],
    ids=lambda body: body[:60],
)
def test_what_is_not_strict_json_is_a_failed_poll(serve: Serve, body: bytes) -> None:
    assert str(failure(serve, answer(body))) == "the answer is not valid JSON, or not an object or array"


@pytest.mark.parametrize("number", ["{}", "0.{}", "-{}", "0.{}e0"])
def test_a_number_has_64_characters_at_most(serve: Serve, number: str) -> None:
    longest = number.format("1" * (64 - len(number) + 2))
    body = '{"usage": {"concurrent_sessions": 1}, "x": %s}'
    assert poll(serve(answer((body % longest).encode())).url()) == Usage(1.0)
    reason = str(failure(serve, answer((body % longest.replace("1", "11", 1)).encode())))
    assert reason == "the answer is not valid JSON, or not an object or array"


@pytest.mark.parametrize("body", [DEEP, b'{"x": ' + b"1" * 100_000 + b"}"], ids=["depth", "digits"])
def test_what_would_choke_a_json_reader_is_refused_for_its_length_already(serve: Serve, body: bytes) -> None:
    assert str(failure(serve, answer(body))) == "the answer is longer than 65536 bytes"


def test_a_missing_field_is_a_failed_poll_never_zero(serve: Serve) -> None:
    reason = "field /usage/concurrent_sessions is missing"
    bodies: list[object] = [{}, [], {"usage": {}}, {"usage": []}, {"usage": 3}, {"usage": None}]
    for body in bodies:
        assert str(failure(serve, answer(body))) == reason


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "null, not a number"),
        (True, "a boolean, not a number"),
        (False, "a boolean, not a number"),
        ("", "text, not a number"),
        ("many", "text, not a number"),
        (" 3", "text, not a number"),
        ("-3", "text, not a number"),
        ("1e3", "text, not a number"),
        ("\u0663", "text, not a number"),
        ("nan", "text, not a number"),
        ([1], "an array, not a number"),
        ({"now": 1}, "an object, not a number"),
        (-1, "-1, not a finite number of at least 0"),
        (-0.5, "-0.5, not a finite number of at least 0"),
    ],
)
def test_a_count_that_is_no_number_is_a_failed_poll(serve: Serve, value: object, what: str) -> None:
    assert str(failure(serve, answer(counting(value)))) == f"field {COUNT} is {what}"


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0.0), (4.0, 4.0), (2.5, 2.5), ("20", 20.0), ("3.5", 3.5), (10**60, 1e60)]
)
def test_numbers_and_their_text_are_counts(serve: Serve, value: object, count: float) -> None:
    assert poll(serve(answer(counting(value))).url()).concurrent_sessions == count


def test_one_missing_part_of_a_sum_fails_the_whole(serve: Serve) -> None:
    reason = str(failure(serve, answer({"a": 1}), in_flight=["/a", "/b"]))
    assert reason == "field /b is missing"


def test_a_closed_source_says_so(serve: Serve) -> None:
    source = HttpUsage(serve(answer(counting(1))).url(), in_flight=COUNT)
    source.get_usage()
    source.close()
    source.close()
    with pytest.raises(RuntimeError, match="closed"):
        source.get_usage()
