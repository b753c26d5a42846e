"""The named upstreams, each with workers in processes of their own, judged by what the upstream itself has logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from shmlimit.emulate import SCENARIOS, scenario
from tests.scenarios.crew import Crew, after, at_work, began, completed, heard, own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shmlimit.emulate import EmulatorSettings
    from tests.scenarios.crew import Record

REPORT_LAG = 1.0


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMANS_API_KEY", "of-the-emulator")


@pytest.fixture
def upstream(tmp_path: Path) -> Callable[[str], EmulatorSettings]:
    """Settings of a named upstream that keeps a log."""
    return lambda name: scenario(name, truth=tmp_path / "truth.jsonl", seed=1)


def refused(log: list[Record], status: int) -> list[Record]:
    return own(log, "refused", status=status)


def peak(log: list[Record]) -> int:
    return max(count for _, count in at_work(log))


def test_every_scenario_is_tried_here() -> None:
    tried = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(SCENARIOS) <= tried


def test_stale_herd(name: str, upstream: Callable[[str], EmulatorSettings]) -> None:
    with Crew(name, upstream("stale-herd"), workers=6, duration=1.0, limit=4) as crew:
        log = crew.work_until(lambda log: completed(log) >= 12)
    readings = [record for record in log if record["event"] == "usage"]
    assert any(record["reported"] < record["working"] for record in readings), "the count was too low at times"
    assert own(log, "refused") == []
    assert peak(log) == 4


def test_churn(name: str, upstream: Callable[[str], EmulatorSettings]) -> None:
    with Crew(name, upstream("churn"), duration=0.3, limit=4) as crew:
        log = crew.work_until(lambda log: completed(log) >= 16)
    readings = [record for record in log if record["event"] == "usage"]
    assert any(record["reported"] > record["working"] for record in readings), "ended sessions were reported"
    assert own(log, "refused") == []
    assert 1 < peak(log) <= 4
    assert len({record["worker"] for record in own(log, "start")}) == 8, "everybody had a turn"


def test_foreign_step(name: str, upstream: Callable[[str], EmulatorSettings]) -> None:
    def arrival(log: list[Record]) -> float | None:
        arrived = [record["t"] for record in log if record["event"] == "start" and not record["own"]]
        return arrived[-1] if len(arrived) == 3 else None

    def known(log: list[Record]) -> float | None:
        last = arrival(log)
        return None if last is None else heard(log, last + REPORT_LAG)

    with Crew(name, upstream("foreign-step"), duration=1.0, limit=6) as crew:
        log = crew.work_until(lambda log: (t := known(log)) is not None and completed(after(log, t)) >= 3)
    step, last, then = began(log) + 5.0, arrival(log), known(log)
    assert last is not None
    assert then is not None
    assert peak([record for record in log if record["t"] < last]) > 3, "the others took what was ours before"
    tries = [record for record in log if record["own"] and record["event"] in ("start", "refused")]
    before_known = [record for record in tries if step <= record["t"] <= then]
    assert len(refused(log, 429)) <= len(before_known)
    assert refused(after(log, then), 429) == [], "nothing is tried that is known to be taken"
    assert completed(after(log, then)) > 0, "what they leave is used"


def test_blind(name: str, upstream: Callable[[str], EmulatorSettings]) -> None:
    with Crew(name, upstream("blind"), duration=0.5, limit=4) as crew:
        log = crew.work_until(lambda log: completed(log) >= 16)
        usage = crew.status().usage
    assert {record["fault"] for record in log if record["event"] == "usage"} == {"down"}
    assert (usage.state, usage.count) == ("failing", None)
    assert own(log, "refused") == [], "the cooldown alone keeps to the limit"
    assert peak(log) == 4


def test_box_then_release(name: str, upstream: Callable[[str], EmulatorSettings]) -> None:
    def release(log: list[Record]) -> float:
        return began(log) + 10.0

    with Crew(name, upstream("box-then-release"), duration=0.5, limit=4) as crew:
        log = crew.work_until(lambda log: completed(after(log, release(log))) >= 4)
        priority = httpx.get(f"{crew.url}/v1/usage").json()["usage"]["priority"]
        status = crew.status()
    boxed, free = began(log) + 5.0, release(log)
    readings = [record for record in log if record["event"] == "usage" and record["fault"] == "boxed"]
    assert readings, "somebody asked in that time"
    assert completed([record for record in log if record["t"] < boxed]) > 0
    assert [record for record in own(log, "start") if boxed <= record["t"] < free] == []
    known = heard(log, readings[0]["t"])
    assert known is not None
    assert refused(after(log, known), 403) == [], "nothing is tried once the block is known"
    assert refused(log, 429) == []
    assert priority["reason"] == "cap_abuse", "the past deadline is still told"
    assert not status.paused
    assert (status.limit, status.auto_reduced) == (4, False)


def test_limit_cut(name: str, upstream: Callable[[str], EmulatorSettings]) -> None:
    def cut(log: list[Record]) -> float:
        return began(log) + 5.0

    def known(log: list[Record]) -> float | None:
        return heard(log, cut(log))

    with Crew(name, upstream("limit-cut"), duration=0.3, first=6.0, limit="upstream") as crew:
        log = crew.work_until(lambda log: (t := known(log)) is not None and len(own(after(log, t), "start")) >= 2)
        status = crew.status()
    then = known(log)
    assert then is not None
    assert [count for t, count in at_work(log) if t <= cut(log)][-1] > 4, "many were in flight"
    assert all(record["working"] == 1 for record in own(after(log, then), "start"))
    tries = [record for record in log if record["own"] and record["event"] in ("start", "refused")]
    assert len(refused(log, 429)) <= len([record for record in tries if cut(log) <= record["t"] <= then])
    assert refused(after(log, then), 429) == []
    assert (status.limit, status.configured_limit) == (1, 1)
