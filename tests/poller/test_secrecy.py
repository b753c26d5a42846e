"""The key is in the poller's memory and environment, and nowhere else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, segment
from shmlimit.status import to_json
from tests.poller.callers import poller_of, reading
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream

CANARY = "user:canary-7f3a9c"
AUTHS = ["bearer:env:K", "header:X-Api-Key:env:K", "query:key:env:K", "basic:env:K", "bearer:file:"]


@pytest.mark.parametrize("auth", AUTHS)
def test_the_key_shows_up_nowhere(
    name: str,
    upstream: Upstream,
    hold: Hold,
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    state_directory: Path,
    auth: str,
) -> None:
    if auth.endswith("file:"):
        key_file = tmp_path / "key"
        key_file.write_text(CANARY)
        key_file.chmod(0o600)
        auth += str(key_file)
    monkeypatch.setenv("K", CANARY)
    usage = upstream.usage(auth=auth, blocked_status=[403], blocked_reason="/reason")
    hold(Limiter(name, limit=1, usage=usage))
    wait()
    wait_for(lambda: reading(name).usage.state == "live")
    shown = [everything_shown(name)]
    # An upstream that says the key back, and then a poll that fails in its own way.
    upstream.more, upstream.fault = {"reason": f"no more for {CANARY}"}, 403
    wait_for(lambda: reading(name).usage.state == "failing")
    shown.append(everything_shown(name))
    upstream.fault = "drop"
    wait_for(lambda: "403" not in (reading(name).usage.reason or ""))
    shown.append(everything_shown(name))
    assert "no more for" in json.dumps([text.decode(errors="replace") for text in shown]), "the answer was shown"
    log = (state_directory / f"{name}.poller.log").read_bytes()
    assert log
    saved = (state_directory / f"{name}.json").read_bytes()
    forms = [CANARY, CANARY.partition(":")[2], "canary", base64.b64encode(CANARY.encode()).decode()]
    for form in forms:
        for text in (*shown, log, saved):
            assert form.encode() not in text


def everything_shown(name: str) -> bytes:
    pid = poller_of(name)
    return b"".join(
        [
            Path(segment.path_of(name)).read_bytes(),
            Path(f"/proc/{pid}/cmdline").read_bytes(),
            to_json(reading(name).to_dict()).encode(),
        ]
    )
