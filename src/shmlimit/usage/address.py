"""Where a usage endpoint is: one strict reading of its URL, and of the names that travel in a request."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?"
)
_URL_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_HOST_NAME = re.compile(r"(?=.{1,253}\.?$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*"
                        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?")  # fmt: skip
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")

_MAX_URL = 2048

# Their values are decided by the exchange itself; one given from outside could smuggle a second request.
_RESERVED_HEADERS = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
        "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_SECRET_WORD = re.compile(
    r"(?:^|[^a-z0-9])(?:key|pass|passwd|pwd|sig|signature|auth|authorization|cookie|credentials?)(?![a-z0-9])"
    r"|(?:apikey|accesskey|secretkey|token|secret|password)(?![a-z0-9])"
)


def looks_secret(name: str) -> bool:
    """Tell whether a header or parameter of this name usually carries a secret, without blocking."""
    return _SECRET_WORD.search(name.lower()) is not None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by definition: 127.0.0.0/8, ::1 or localhost; without blocking."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an endpoint's URL.

    Attributes:
        scheme: "https" or "http".
        host: A host name or an IP address, without brackets.
        port: The TCP port.
        target: Path and query as they are sent.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


_DEFAULT_PORTS = {"https": 443, "http": 80}


def shown_url(url: str) -> str:
    """Return a URL as it may be shown: without userinfo and without the values of its query."""
    if "@" in url:
        return "(hidden, as it holds '@')"
    shown, question, _ = url.partition("?")
    return repr(shown.partition("#")[0][:200] + ("?..." if question else ""))


def _host_and_port(authority: str, scheme: str, url: str) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError(
            f"url is {shown_url(url)}: a host name or an IP address is needed after '{scheme}://', "
            "with a port from 1 to 65535 if any"
        )
    host = match["v6"] or match["name"].lower()
    valid = True
    if match["v6"] or _NUMERIC_LABEL.fullmatch(host.rstrip(".").rpartition(".")[2]):
        # Some resolvers read '127.1' or '0x7f000001' as an address, so only the full form is let through.
        try:
            host = str(ipaddress.ip_address(host))
        except ValueError:
            valid = False
    else:
        valid = _HOST_NAME.fullmatch(host) is not None
    if not valid:
        raise ValueError(f"url is {shown_url(url)}: its host is neither a host name nor a full IP address")
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65535:
        raise ValueError(f"url is {shown_url(url)}: its port is {port}, and must be from 1 to 65535")
    return host, port


def parse_url(url: object) -> Address:
    """Split an endpoint's URL strictly, without blocking.

    Raises:
        TypeError: It is no text.
        ValueError: It is not https (or http to this machine), or it holds a part that has no place in an
            endpoint's URL: userinfo, a fragment, a key in the query.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be text, as 'https://host/path', not {type(url).__name__}")
    match = _URL.fullmatch(url)
    if match is None or len(url) > _MAX_URL or _URL_TEXT.fullmatch(url) is None:
        raise ValueError(
            f"url is {shown_url(url)}: expected 'https://host/path' in ASCII, at most {_MAX_URL} characters "
            "(a host in its xn-- form, the rest percent-encoded)"
        )
    scheme = match["scheme"].lower()
    if "@" in match["authority"]:
        raise ValueError(
            "url holds userinfo before its host, so it is not shown: take it out and pass it by reference, "
            "as auth='basic:env:NAME'"
        )
    if scheme not in _DEFAULT_PORTS:
        raise ValueError(f"url is {shown_url(url)}: the scheme must be https, or http to this machine")
    if match["fragment"] is not None:
        raise ValueError(f"url is {shown_url(url)}: it must not have a fragment ('#...'), which is never sent")
    host, port = _host_and_port(match["authority"], scheme, url)
    if scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"url is {shown_url(url)}: use https; plain http is only allowed to this machine "
            "(127.0.0.0/8, ::1, localhost)"
        )
    query = match["query"]
    for parameter in (query or "").split("&"):
        name = parameter.partition("=")[0]
        if looks_secret(name):
            raise ValueError(
                f"url has the query parameter {name[:64]!r}, which looks like a secret: take it out and pass "
                f"it by reference, as auth='query:{name[:64]}:env:NAME'"
            )
    return Address(scheme, host, port, (match["path"] or "/") + ("" if query is None else f"?{query}"))


def query_names(address: Address) -> frozenset[str]:
    """Return the names of the parameters in an address's query, without blocking."""
    query = address.target.partition("?")[2]
    return frozenset(parameter.partition("=")[0] for parameter in query.split("&"))


def check_header_name(name: object, *, argument: str) -> str:
    """Return a request header's name if it may be set from outside, without blocking.

    Raises:
        TypeError: It is no text.
        ValueError: It is no header name, or one that the exchange itself decides.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument} must name headers as text, not {type(name).__name__}")
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{argument} has the name {name[:64]!r}: expected a header name, as 'X-Team'")
    if name.lower() in _RESERVED_HEADERS:
        raise ValueError(f"{argument} must not set {name!r}: it is decided by the request itself")
    return name


def check_headers(headers: object) -> dict[str, str]:
    """Return a copy of constant request headers, without blocking.

    Raises:
        TypeError: It is no mapping of text to text.
        ValueError: A name or a value is not allowed, or the name is one that carries secrets.
    """
    if not isinstance(headers, dict):
        raise TypeError(f"headers must be a dict of names to values, not {type(headers).__name__}")
    checked: dict[str, str] = {}
    for given, value in headers.items():
        name = check_header_name(given, argument="headers")
        if looks_secret(name):
            raise ValueError(
                f"headers must not set {name!r}, which looks like a secret: pass it by reference, "
                f"as auth='header:{name}:env:NAME'"
            )
        if not isinstance(value, str):
            raise TypeError(f"headers must have text as the value of {name!r}, not {type(value).__name__}")
        if len(value) > 1024 or value != value.strip() or not (value.isascii() and value.isprintable()):
            raise ValueError(
                f"headers has a value for {name!r} that cannot be sent: expected printable ASCII without "
                "spaces around it, at most 1024 characters"
            )
        if name.lower() in {other.lower() for other in checked}:
            raise ValueError(f"headers names {name!r} twice")
        checked[name] = value
    return checked
