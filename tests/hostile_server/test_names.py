"""How the poller finds its upstream: names, addresses of both families, and no detour that the environment names."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from shmlimit.usage import HttpUsage
from tests.hostile_server import resolver
from tests.hostile_server.scene import Scene
from tests.hostile_server.transport_faults import LATE
from tests.hostile_server.upstream import COUNT, be_good
from tests.support.processes import ROOT, wait_for
from tests.usage.hostile_server import HostileServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile_server.conftest import Place

SOURCE = "tests.hostile_server.resolver:source"
NO_ADDRESS = "^the host name localhost has no usable address$"
NOT_RESOLVED = "^the host name localhost cannot be resolved$"
REFUSED = "^cannot connect: (Connection refused|Network is unreachable|Cannot assign requested address)$"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on the loopback interface")


class Hosts:
    """What localhost is, for a poller."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, words: str) -> None:
        """All at once: the poller may look at any time."""
        new = self._path.with_suffix(".new")
        new.write_text(words)
        new.replace(self._path)


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer(be_good) as one:
        yield one


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Hosts:
    return Hosts(tmp_path_factory.mktemp("hosts") / "hosts")


@pytest.fixture(scope="module")
def scene(place: Place, server: HostileServer, hosts: Hosts) -> Iterator[Scene]:
    hosts.say("127.0.0.1")
    name, log = place()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(resolver.URL, f"http://localhost:{server.port}/")
        patch.setenv(resolver.HOSTS, str(hosts._path))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        with Scene(name, SOURCE, log) as one:
            yield one


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("fail", NOT_RESOLVED),
        ("garble", NOT_RESOLVED),
        ("", NO_ADDRESS),
        ("192.0.2.1 2001:db8::1", NO_ADDRESS),
        ("::ffff:127.0.0.1", NO_ADDRESS),
        ("0.0.0.0", NO_ADDRESS),
        ("127.9.9.9", REFUSED),
        ("hang", LATE),
    ],
)
def test_a_name_that_leads_nowhere_is_a_failed_poll_until_it_leads_somewhere(
    scene: Scene, server: HostileServer, hosts: Hosts, words: str, reason: str
) -> None:
    hosts.say("127.0.0.1")
    scene.wait_until_live()
    hosts.say(words)
    server.script = lambda exchange: exchange.reset()
    scene.wait_until_failing(reason)
    hosts.say("127.0.0.1")
    server.script = be_good
    assert scene.wait_until_live().usage.count == COUNT


@pytest.mark.parametrize("words", ["127.9.9.9 127.0.0.1", "::1 127.0.0.1", "192.0.2.1 127.0.0.1", "127.0.0.1 " * 20])
def test_one_address_of_several_is_enough(scene: Scene, server: HostileServer, hosts: Hosts, words: str) -> None:
    hosts.say("fail")
    server.script = lambda exchange: exchange.reset()
    scene.wait_until_failing(NOT_RESOLVED)
    hosts.say(words)
    server.script = be_good
    scene.wait_until_live()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", pytest.param("::1", marks=needs_ipv6)])
def test_an_address_of_either_family_is_found_and_no_proxy_of_the_environment_is_used(
    place: Place, host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(HostileServer(be_good))
        server = stack.enter_context(HostileServer(be_good, host))
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "ws_proxy"):
            monkeypatch.setenv(variable, proxy.url("/"))
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine {host} login finch password never\n")
        monkeypatch.setenv("NETRC", str(netrc))
        name, log = place()
        url = f"http://{f'[{host}]' if ':' in host else host}:{server.port}/"
        scene = stack.enter_context(Scene(name, HttpUsage(url, in_flight="/n"), log))
        assert scene.wait_until_live().usage.count == COUNT
        assert proxy.connections == 0
        assert server.exchanges[0].header("Authorization") is None


def test_a_port_that_nobody_listens_on_is_a_failed_poll_until_somebody_does(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    name, log = place()
    with Scene(name, HttpUsage(f"http://127.0.0.1:{port}/", in_flight="/n", min_interval=0.05), log) as scene:
        scene.wait_until_failing("^cannot connect: Connection refused$")
        with HostileServer(be_good, port=port):
            wait_for(lambda: scene.wait_until_live().usage.count == COUNT)
        scene.wait_until_failing("^cannot connect: Connection refused$|" + "the connection was lost|cut short")
