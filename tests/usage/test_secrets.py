"""The key appears in the request and nowhere else."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shmlimit.usage import HttpUsage, UpstreamBlocked, UsageError, load_source
from tests.support.canary import Canary

from .hostile_server import answer
from .reflections import FAILING, reflect, reflect_as_reading

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Serve

BIRD = Canary("CANARY-4b1d9e")
CANARY = BIRD.key

REFERENCES = {
    "bearer": CANARY,
    "header:X-Api-Key": CANARY,
    "query:api_key": CANARY,
    "basic": BIRD.password,
}


@pytest.fixture(params=["env", "file"])
def keep(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a secret away in each way that a reference can name, and return the end of the reference."""

    def put(secret: str) -> str:
        if request.param == "env":
            monkeypatch.setenv("SHMLIMIT_TEST_KEY", secret)
            return "env:SHMLIMIT_TEST_KEY"
        path = tmp_path / "key"
        path.touch(0o600)
        path.write_text(secret + "\n")
        return f"file:{path}"

    return put


def assert_clean(text: str) -> None:
    assert not BIRD.found_in(text)


def everything_shown(error: BaseException) -> str:
    """All that a traceback can print, with the variables of each frame and whatever came before."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain: list[object] = [error, error.args, vars(error)]
    before = error.__context__ or error.__cause__
    return "".join(shown.format()) + repr(chain) + ("" if before is None else everything_shown(before))


def test_each_way_of_presenting_a_key_reaches_the_server(serve: Serve, keep: Any) -> None:
    server = serve(answer({"n": 1}))
    for way, secret in REFERENCES.items():
        with HttpUsage(server.url("/usage?w=5"), in_flight="/n", auth=f"{way}:{keep(secret)}") as source:
            source.get_usage()
    bearer, header, query, basic = server.exchanges
    assert bearer.header("Authorization") == f"Bearer {CANARY}"
    assert header.header("X-Api-Key") == CANARY
    assert query.target == f"/usage?w=5&api_key={CANARY}"
    assert basic.header("Authorization") == f"Basic {BIRD.forms()['in basic authentication']}"


def test_a_key_in_the_query_is_percent_encoded(serve: Serve, keep: Any) -> None:
    server = serve(answer({"n": 1}))
    with HttpUsage(server.url("/"), in_flight="/n", auth=f"query:api_key:{keep('a&b=c d/é#')}") as source:
        source.get_usage()
    assert server.exchanges[0].target == "/?api_key=a%26b%3Dc%20d%2F%C3%A9%23"


def test_a_new_key_works_at_the_next_poll(serve: Serve, keep: Any) -> None:
    server = serve(answer({"n": 1}))
    with HttpUsage(server.url(), in_flight="/n", auth=f"bearer:{keep('first')}") as source:
        source.get_usage()
        keep("second")
        source.get_usage()
    assert [exchange.header("Authorization") for exchange in server.exchanges] == [
        "Bearer first",
        "Bearer second",
    ]


@pytest.mark.parametrize("way", REFERENCES)
@pytest.mark.parametrize("script", FAILING)
@pytest.mark.parametrize("blocked", [[], [403]])
def test_no_failed_poll_shows_the_key(
    serve: Serve, keep: Any, caplog: pytest.LogCaptureFixture, way: str, script: str, blocked: list[int]
) -> None:
    caplog.set_level(logging.DEBUG)
    source = HttpUsage(
        serve(FAILING[script]).url(),
        in_flight="/n",
        auth=f"{way}:{keep(REFERENCES[way])}",
        blocked_status=blocked,
        timeout=0.2 if script == "silent" else 5,
    )
    with source, pytest.raises(UsageError) as caught:
        source.get_usage()
    assert_clean(everything_shown(caught.value))
    assert_clean(repr(vars(source)))
    assert_clean(caplog.text)


@pytest.mark.parametrize("way", REFERENCES)
def test_a_reading_does_not_carry_the_key_the_server_gives_back(serve: Serve, keep: Any, way: str) -> None:
    url = serve(reflect_as_reading).url()
    auth = f"{way}:{keep(REFERENCES[way])}"
    with HttpUsage(url, in_flight="/n", auth=auth, blocked_reason="/why") as source:
        reason = source.get_usage().blocked_reason
    assert reason is not None
    assert_clean(reason)
    assert "[secret]" in reason


def test_a_block_does_not_carry_the_key_the_server_gives_back(serve: Serve, keep: Any) -> None:
    auth = f"bearer:{keep(CANARY)}"
    source = HttpUsage(serve(reflect).url(), in_flight="/n", auth=auth, blocked_status=[403])
    with source, pytest.raises(UpstreamBlocked) as caught:
        source.get_usage()
    assert caught.value.reason == "Bearer [secret] is suspended"


def test_a_key_is_taken_out_before_a_text_is_cut(serve: Serve, keep: Any) -> None:
    body = {"error": {"type": "." * 195 + CANARY}}
    url = serve(answer(body, status=403)).url()
    source = HttpUsage(url, in_flight="/n", auth=f"bearer:{keep(CANARY)}", blocked_status=[403])
    with source, pytest.raises(UpstreamBlocked) as caught:
        source.get_usage()
    assert caught.value.reason == "." * 195 + "[secr"


@pytest.mark.parametrize("way", REFERENCES)
def test_a_good_poll_leaves_the_key_in_no_log_repr_config_or_pickle(
    serve: Serve, keep: Any, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    caplog.set_level(logging.DEBUG)
    url = serve(answer({"n": 1})).url()
    with HttpUsage(url, in_flight="/n", auth=f"{way}:{keep(REFERENCES[way])}") as source:
        source.get_usage()
        assert_clean(caplog.text)
        assert_clean(repr(source) + str(source) + repr(vars(source)) + json.dumps(source.to_config()))
        assert_clean(pickle.dumps(source).decode("latin-1"))


def test_the_http_library_still_logs_for_others(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answer({"n": 1}))
    with HttpUsage(server.url(), in_flight="/n") as source:
        source.get_usage()
        assert "httpcore" not in {record.name.partition(".")[0] for record in caplog.records}
    assert httpx.get(server.url(), trust_env=False).status_code == 200
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}


def test_a_source_that_crossed_by_its_config_presents_the_same_key(serve: Serve, keep: Any) -> None:
    server = serve(answer({"n": 1}))
    with HttpUsage(server.url(), in_flight="/n", auth=f"bearer:{keep(CANARY)}") as source:
        crossed = load_source(json.loads(json.dumps(source.to_config())))
    crossed.get_usage()
    crossed.close()
    assert server.exchanges[0].header("Authorization") == f"Bearer {CANARY}"


@pytest.mark.parametrize(
    "inline",
    [
        CANARY,
        f"Bearer {CANARY}",
        f"bearer {CANARY}",
        f"bearer:{CANARY}",
        f"bearer:env:{CANARY}",
        f"bearer:file:{CANARY}",
        f"bearer:key:{CANARY}",
        f"env:{CANARY}",
        f"basic:user:{CANARY}",
        f"header:{CANARY}",
        f"header:X-Api-Key:{CANARY}",
        f"header:{CANARY} x:env:NAME",
        f"header:Host:env:{CANARY}",
        f"query:{CANARY}",
        f"query:{CANARY}/:env:NAME",
        f"query:api_key:{CANARY}",
    ],
)
def test_an_inline_secret_is_refused_without_showing_it(inline: str) -> None:
    with pytest.raises(ValueError, match="may be the secret itself") as caught:
        HttpUsage("https://h.example/", in_flight="/n", auth=inline)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("pasted", ["sk_live_51H8aBcDeFgHiJk", "9f8e7d", "d41d8cd98f00b204e9800998ecf8427e", "aB3dE"])
def test_a_key_pasted_as_the_name_of_a_variable_is_refused_without_showing_it(pasted: str) -> None:
    with pytest.raises(ValueError, match="does not name an environment variable") as caught:
        HttpUsage("https://h.example/", in_flight="/n", auth=f"bearer:env:{pasted}")
    assert pasted not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{CANARY}@h.example/",
        f"https://{CANARY}@h.example/",
        f"https://h.example/?api_key={CANARY}",
        f"https://h.example/?x=1&token={CANARY}",
        f"https://h.example/?apiKey={CANARY}",
        f"https://h.example/?x={CANARY}#frag",
        f"http://h.example/?x={CANARY}",
        f"https://h.example:99999/?x={CANARY}",
    ],
)
def test_a_refused_url_does_not_show_what_may_be_a_key(url: str) -> None:
    with pytest.raises(ValueError, match="url") as caught:
        HttpUsage(url, in_flight="/n")
    assert CANARY not in str(caught.value)


def test_a_repr_leaves_out_the_values_of_the_query() -> None:
    source = HttpUsage(f"https://h.example/usage?x={CANARY}", in_flight="/n", auth="bearer:env:MY_KEY")
    assert repr(source) == "HttpUsage('https://h.example/usage?...', in_flight='/n', auth='bearer:env:MY_KEY')"


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "Cookie", "X-Auth-Token", "Client-Secret"])
def test_a_constant_header_may_not_carry_a_key(name: str) -> None:
    with pytest.raises(ValueError, match="by reference") as caught:
        HttpUsage("https://h.example/", in_flight="/n", headers={name: CANARY})
    assert CANARY not in str(caught.value)
