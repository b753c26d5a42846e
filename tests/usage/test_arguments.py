"""Every argument is checked when a source is made, with one line that names the value and what is allowed."""

from __future__ import annotations

import math
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shmlimit.usage import HttpUsage, describe, load_source

URL = "https://h.example/usage"


def make(url: Any = URL, **options: Any) -> HttpUsage:
    return HttpUsage(url, **{"in_flight": "/n", **options})


@pytest.mark.parametrize(
    "url",
    [
        "https://h.example",
        "https://h.example/",
        "HTTPS://H.example:8443/a/b?x=1&y=%20",
        "https://xn--bcher-kva.example/",
        "https://[2001:db8::1]:8443/",
        "https://192.0.2.1/",
        "https://h_x.example./",
        "http://localhost:8000/",
        "http://127.0.0.1/",
        "http://127.8.9.1:1/",
        "http://[::1]:65535/",
        "https://h.example/?window=5h&keyboard=1&author=2&tokens=3",
    ],
)
def test_a_good_url_is_kept_as_it_was_given(url: str) -> None:
    assert make(url).url == url
    assert make(url).to_config()["url"] == url


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "expected 'https://host/path'"),
        ("h.example/usage", "expected 'https://host/path'"),
        ("//h.example/", "expected 'https://host/path'"),
        ("https:/h.example/", "expected 'https://host/path'"),
        ("https://h.example/ä", "in ASCII"),
        ("https://bücher.example/", "xn-- form"),
        ("https://h.example/a b", "percent-encoded"),
        ("https://h.example/a\n", "percent-encoded"),
        ("https://h.example/\r\nX: y", "percent-encoded"),
        ("https://h.example/\x00", "percent-encoded"),
        ("https://h.example/%zz", "percent-encoded"),
        ("https://h.example\\@evil.example/", "percent-encoded"),
        ("https://h.example/" + "a" * 3000, "at most 2048 characters"),
        ("ftp://h.example/", "the scheme must be https"),
        ("file:///etc/passwd", "the scheme must be https"),
        ("http://h.example/", "plain http is only allowed to this machine"),
        ("http://localhost.h.example/", "plain http"),
        ("http://128.0.0.1/", "plain http"),
        ("http://[::2]/", "plain http"),
        ("http://[::ffff:127.0.0.1]/", "plain http"),
        ("http://127.1/", "full IP address"),
        ("http://2130706433/", "full IP address"),
        ("http://0x7f000001/", "full IP address"),
        ("https://256.0.0.1/", "full IP address"),
        ("https://[::g]/", "a host name or an IP address is needed"),
        ("https://[::1/", "a host name or an IP address is needed"),
        ("https://[1:2]/", "full IP address"),
        ("https:///path", "a host name or an IP address is needed"),
        ("https://-h.example/", "neither a host name"),
        ("https://h..example/", "neither a host name"),
        ("https://" + "a" * 64 + ".example/", "neither a host name"),
        ("https://h.example:/", "a port from 1 to 65535"),
        ("https://h.example:x/", "a port from 1 to 65535"),
        ("https://h.example:0/", "its port is 0"),
        ("https://h.example:65536/", "its port is 65536"),
        ("https://h.example/#part", "fragment"),
        ("https://user@h.example/", "userinfo"),
        ("https://user:pw@h.example/", "userinfo"),
        ("https://h.example/?key=1", "'key', which looks like a secret"),
    ],
)
def test_a_bad_url_is_refused(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=r"^url ") as caught:
        make(url)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", [None, b"https://h.example/", 5, Path("/x")])
def test_a_url_is_text(url: object) -> None:
    with pytest.raises(TypeError, match=r"^url must be text"):
        make(url)


class OddRepr(list[str]):
    def __repr__(self) -> str:
        return "two\nlines"


BAD = [
    ("in_flight", None, TypeError, "expected a list of locators"),
    ("in_flight", 3, TypeError, "3 (int): expected a list of locators"),
    ("in_flight", b"/n", TypeError, "expected a list of locators"),
    ("in_flight", {"/n"}, TypeError, "expected a list of locators"),
    ("in_flight", [], ValueError, "has 0 locators: expected 1 to 16"),
    ("in_flight", ["/n"] * 17, ValueError, "has 17 locators: expected 1 to 16"),
    ("in_flight", ["/n", 3], TypeError, "must be a locator as text, not int"),
    ("in_flight", "", ValueError, "'': expected a JSON pointer"),
    ("in_flight", "n", ValueError, "'n': expected a JSON pointer"),
    ("in_flight", "#/n", ValueError, "'#/n': expected a JSON pointer"),
    ("in_flight", "/n~2", ValueError, "expected a JSON pointer"),
    ("in_flight", "/n~", ValueError, "expected a JSON pointer"),
    ("limit", True, TypeError, "True (bool): expected a locator or a number"),
    ("limit", [4], TypeError, "[4] (list): expected a locator or a number"),
    ("limit", Decimal(4), TypeError, "expected a locator or a number"),
    ("limit", "4", ValueError, "'4': expected a JSON pointer"),
    ("limit", -1, ValueError, "-1: expected a locator or a number from 0 to 1e9"),
    ("limit", math.nan, ValueError, "nan: expected"),
    ("limit", math.inf, ValueError, "inf: expected"),
    ("hard_cap", False, TypeError, "False (bool): expected"),
    ("hard_cap", -0.5, ValueError, "-0.5: expected"),
    ("blocked_until", 5, TypeError, "must be a locator as text, not int"),
    ("blocked_until", "x", ValueError, "'x': expected a JSON pointer"),
    ("blocked_reason", ["/x"], TypeError, "must be a locator as text, not list"),
    ("degraded", True, TypeError, "must be a locator as text, not bool"),
    ("soft_reasons", "rate_limit", TypeError, "'rate_limit' (str): expected a list of"),
    ("soft_reasons", [3], TypeError, "holds 3 (int): expected text"),
    ("soft_reasons", [""], ValueError, "with which every reason begins"),
    ("blocked_status", 403, TypeError, "403 (int): expected a list of"),
    ("blocked_status", ["403"], TypeError, "holds '403' (str): expected HTTP statuses"),
    ("blocked_status", [True], TypeError, "holds True (bool): expected HTTP statuses"),
    ("blocked_status", [200], ValueError, "holds 200: expected HTTP statuses from 400 to 599"),
    ("blocked_status", [600], ValueError, "holds 600: expected HTTP statuses from 400 to 599"),
    ("blocked_body", 403, TypeError, "403 (int): expected a regular expression as text"),
    ("blocked_body", "(", ValueError, "'(': missing )"),
    ("auth", 5, TypeError, "must be a reference as text"),
    ("format", "xml", ValueError, "'xml': expected 'json' or 'prometheus' or 'headers'"),
    ("format", None, TypeError, "None: expected 'json'"),
    ("format", ["json"], TypeError, "['json']: expected 'json'"),
    ("format", OddRepr(), TypeError, "two lines: expected 'json'"),
    ("counts", "sessions", ValueError, "'sessions': expected 'requests' or 'weight'"),
    ("headers", ["X: y"], TypeError, "must be a dict"),
    ("headers", {1: "y"}, TypeError, "must name headers as text, not int"),
    ("headers", {"": "y"}, ValueError, "'': expected a header name"),
    ("headers", {"X Y": "y"}, ValueError, "'X Y': expected a header name"),
    ("headers", {"X\r\nY": "y"}, ValueError, "expected a header name"),
    ("headers", {"Host": "y"}, ValueError, "must not set 'Host'"),
    ("headers", {"transfer-encoding": "y"}, ValueError, "must not set 'transfer-encoding'"),
    ("headers", {"X-A": 1}, TypeError, "must have text as the value of 'X-A', not int"),
    ("headers", {"X-A": "a\r\nX-B: b"}, ValueError, "cannot be sent"),
    ("headers", {"X-A": " a"}, ValueError, "cannot be sent"),
    ("headers", {"X-A": "é"}, ValueError, "cannot be sent"),
    ("headers", {"X-A": "a" * 1025}, ValueError, "cannot be sent"),
    ("headers", {"X-A": "1", "x-a": "2"}, ValueError, "names 'x-a' twice"),
    ("timeout", 0, ValueError, "0: expected seconds as a number above 0 and at most 3600"),
    ("timeout", -1, ValueError, "-1: expected"),
    ("timeout", math.nan, ValueError, "nan: expected"),
    ("timeout", math.inf, ValueError, "inf: expected"),
    ("timeout", 1e300, ValueError, "1e+300: expected"),
    ("timeout", True, TypeError, "True (bool): expected"),
    ("timeout", "5", TypeError, "'5' (str): expected"),
    ("timeout", None, TypeError, "None (NoneType): expected"),
    ("min_interval", -0.1, ValueError, "-0.1: expected seconds as a number from 0 to 3600"),
    ("min_interval", 1e9, ValueError, "1000000000.0: expected"),
    ("min_interval", math.nan, ValueError, "nan: expected"),
    ("min_interval", False, TypeError, "False (bool): expected"),
    ("settle", -0.1, ValueError, "-0.1: expected seconds as a number from 0 to 3600"),
    ("settle", None, TypeError, "None (NoneType): expected"),
    ("stale_after", 0, ValueError, "0: expected seconds as a number above 0 and at most 3600"),
    ("stale_after", math.inf, ValueError, "inf: expected"),
    ("ca_file", 5, TypeError, "5 (int): expected the path of a file"),
    ("ca_file", b"/ca.pem", TypeError, "expected the path of a file"),
    ("ca_file", "", ValueError, "'': expected the path of a file"),
    ("ca_file", "/ca\x00.pem", ValueError, "expected the path of a file"),
]


@pytest.mark.parametrize(("argument", "value", "kind", "what"), BAD)
def test_a_bad_argument_is_refused_with_its_value(
    argument: str, value: object, kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind, match=f"^{argument} ") as caught:
        make(**{argument: value})
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("argument", ["limit", "timeout", "blocked_status", "in_flight"])
def test_a_number_of_thousands_of_digits_is_refused_like_any_other(argument: str) -> None:
    value = 10**5000
    with pytest.raises((TypeError, ValueError), match=f"^{argument} .* a huge int") as caught:
        make(**{argument: [value] if argument == "blocked_status" else value})
    assert "digits" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer_format", "locator", "what"),
    [
        ("prometheus", "/n", "expected a metric name"),
        ("prometheus", "", "expected a metric name"),
        ("prometheus", "n{", "expected a metric name"),
        ("prometheus", "n{a}", "expected a metric name"),
        ("prometheus", "n{a=b}", "expected a metric name"),
        ("prometheus", 'n{a="b" c="d"}', "expected a metric name"),
        ("prometheus", 'n{a="b",a="c"}', "expected a metric name"),
        ("prometheus", 'n{a="b"} 3', "expected a metric name"),
        ("prometheus", 'n{a="\\x"}', "expected a metric name"),
        ("prometheus", "1n", "expected a metric name"),
        ("headers", "/n", "expected a header name"),
        ("headers", "", "expected a header name"),
        ("headers", "x: y", "expected a header name"),
    ],
)
def test_a_locator_must_suit_the_format(answer_format: str, locator: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        make(format=answer_format, in_flight=locator)


def test_a_reason_cannot_come_from_numbers() -> None:
    with pytest.raises(ValueError, match="blocked_reason cannot be read"):
        make(format="prometheus", in_flight="n", blocked_reason="why")


def test_a_key_in_the_query_must_not_stand_in_the_url_too() -> None:
    with pytest.raises(ValueError, match="auth and url both set the query parameter 'who'"):
        make(URL + "?who=me", auth="query:who:env:NAME")


def test_a_key_in_a_header_must_not_stand_in_headers_too() -> None:
    with pytest.raises(ValueError, match="auth and headers both set 'X-Who'"):
        make(headers={"x-who": "me"}, auth="header:X-Who:env:NAME")


FULL: dict[str, Any] = {
    "in_flight": ["/a", "/b"],
    "limit": "/limit",
    "hard_cap": 8,
    "blocked_until": "/until",
    "blocked_reason": "/why",
    "soft_reasons": ["rate_limit"],
    "blocked_status": [403],
    "blocked_body": "suspended|abuse",
    "degraded": "/low",
    "auth": "query:api_key:env:NAME",
    "counts": "weight",
    "headers": {"X-Team": "red"},
    "timeout": 2.5,
    "min_interval": 0.0,
    "settle": 2.0,
    "stale_after": 30.0,
    "ca_file": "/etc/ca.pem",
}


def test_a_config_holds_what_was_given_and_nothing_else() -> None:
    assert make(**FULL).to_config() == {"kind": "http", "url": URL, **FULL}
    assert make().to_config() == {"kind": "http", "url": URL, "in_flight": "/n"}
    assert make(format="headers", in_flight="x").to_config()["format"] == "headers"


def test_a_source_survives_pickle_and_config() -> None:
    source = make(**FULL)
    assert pickle.loads(pickle.dumps(source)).to_config() == source.to_config()
    assert load_source(describe(source)).to_config() == source.to_config()


def test_a_source_tells_its_own_settings() -> None:
    source = make(**FULL)
    assert (source.counts, source.timeout, source.min_interval) == ("weight", 2.5, 0.0)
    assert (source.settle, source.stale_after) == (2.0, 30.0)
    assert (make().settle, make().stale_after) == (1.0, 15.0)
    assert (make().counts, make().timeout, make().min_interval) == ("requests", 5.0, 0.15)


def test_a_ca_file_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make(ca_file="ca.pem").to_config()["ca_file"] == str(tmp_path / "ca.pem")
    assert make(ca_file=Path("ca.pem")).to_config()["ca_file"] == str(tmp_path / "ca.pem")
