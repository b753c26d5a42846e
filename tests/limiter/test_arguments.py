"""Every argument that makes no sense: an error that names it, and nothing is created or changed."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import shmlimit
from shmlimit import InvalidName, Limiter, SegmentRefused, ShmlimitError, segment

ENORMOUS = [2**31, 2**32, 2**63, 2**64]
NOT_A_DURATION = [-1, -0.001, math.nan, math.inf, -math.inf, 1e300, 2**64]
NOT_A_NUMBER = [True, False, "1", b"1", [], {}, 1j, object()]


class _Index:
    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        if self._value < 0:
            raise ZeroDivisionError("no index today")
        return self._value


def _refused(kind: type[Exception], what: str, name: str, state_directory: Path, **arguments: Any) -> None:
    with pytest.raises(kind, match=what) as caught:
        Limiter(name, **{"limit": 4, **arguments})
    value = arguments.get(what, name)
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [entry for entry in Path(segment.directory()).iterdir() if name in entry.name]
    assert not state_directory.exists()


@pytest.mark.parametrize("bad", [-1, 8001, *ENORMOUS])
def test_headroom_is_refused_out_of_range(name: str, state_directory: Path, bad: Any) -> None:
    _refused(ValueError, "headroom", name, state_directory, limit="upstream", usage="json:loads", headroom=bad)


@pytest.mark.parametrize("bad", [*NOT_A_NUMBER, 1.0, None])
def test_headroom_is_refused_unless_whole(name: str, state_directory: Path, bad: Any) -> None:
    _refused(TypeError, "headroom", name, state_directory, limit="upstream", usage="json:loads", headroom=bad)


def test_headroom_without_the_upstreams_limit_and_that_without_a_source_are_refused(
    name: str, state_directory: Path
) -> None:
    _refused(ValueError, "headroom", name, state_directory, headroom=1)
    with pytest.raises(ValueError, match="usage source"):
        Limiter(name, limit="upstream")
    assert not state_directory.exists()
    limiter = Limiter(name, limit=1)
    with pytest.raises(ValueError, match="usage source"):
        limiter.follow_upstream()
    for bad, error in ((-1, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="headroom"):
            limiter.follow_upstream(bad)  # type: ignore[arg-type]
    assert limiter.status().headroom is None


@pytest.mark.parametrize(
    "bad",
    [
        "", ".", "..", ".a", "-a", "_a", "a/b", "/a", "../a", "a\\b", "a\0b", "a\nb", "a\n", "\x07", "a\tb", "a b",
        " a", "a ", "a%b", "a;b", "a$b", "a:b", "a*", "a@b", "~", "~root", "é", "e\u0301", "a\ud800", "\uff41",
        "\u0661", "a" * 65, "a" * 255, "a" * 256, "a" * 100000, b"a", Path("a"), 1, None, True, ["a"],
    ],
)  # fmt: skip
def test_what_cannot_be_a_name_is_refused_everywhere(bad: Any) -> None:
    for attempt in (
        lambda: Limiter(bad, limit=1),
        lambda: Limiter(bad),
        lambda: Limiter(bad, missing_ok=True),
        lambda: shmlimit.destroy(bad),
        lambda: shmlimit.destroy(bad, force=True),
    ):
        with pytest.raises(InvalidName) as caught:
            attempt()
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, ShmlimitError)
        assert repr(bad) in str(caught.value)
    if bad is not None:  # which is all limiters
        with pytest.raises(InvalidName):
            shmlimit.status(bad)


@pytest.mark.parametrize("ending", ["a", "A", "0", "a.b_c-d", ".", "..", "-", "_"])
def test_the_allowed_characters_make_a_name(name: str, ending: str) -> None:
    longest = (name + "-" + "x" * 64)[: 64 - len(ending)] + ending
    try:
        assert Limiter(longest, limit=3).limit == 3
        assert len(longest) == 64
        assert longest in shmlimit.limiters()
    finally:
        segment.destroy(longest, force=True)


@pytest.mark.parametrize("limit", [-1, 8001, -(2**63), *ENORMOUS])
def test_a_limit_out_of_range_is_refused(name: str, state_directory: Path, limit: int) -> None:
    _refused(ValueError, "limit", name, state_directory, limit=limit)


@pytest.mark.parametrize("limit", [1.0, 1.5, math.nan, math.inf, Decimal(4), *NOT_A_NUMBER])
def test_a_limit_that_is_no_whole_number_is_refused(name: str, state_directory: Path, limit: object) -> None:
    _refused(TypeError, "limit", name, state_directory, limit=limit)


@pytest.mark.parametrize("limit", [0, 1, 8000, _Index(7)])
def test_a_limit_from_0_to_8000_is_taken(name: str, limit: Any) -> None:
    assert Limiter(name, limit=limit).limit == limit.__index__()


def test_an_index_that_raises_is_heard(name: str) -> None:
    with pytest.raises(ZeroDivisionError, match="no index today"):
        Limiter(name, limit=_Index(-1))  # type: ignore[arg-type]
    assert name not in shmlimit.limiters()


@pytest.mark.parametrize("slots", [0, -1, 8193, *ENORMOUS])
def test_a_number_of_slots_out_of_range_is_refused(name: str, state_directory: Path, slots: int) -> None:
    _refused(ValueError, "slots", name, state_directory, slots=slots)


@pytest.mark.parametrize("slots", [None, 1.0, math.nan, *NOT_A_NUMBER])
def test_a_number_of_slots_that_is_none_is_refused(name: str, state_directory: Path, slots: object) -> None:
    _refused(TypeError, "slots", name, state_directory, slots=slots)


@pytest.mark.parametrize("slots", [1, 8192])
def test_the_fewest_and_the_most_slots_work(name: str, slots: int) -> None:
    assert Limiter(name, limit=1, slots=slots, cooldown=0).acquire(timeout=0).release()


@pytest.mark.parametrize("what", ["cooldown", "slot_timeout"])
@pytest.mark.parametrize("value", NOT_A_DURATION)
def test_a_duration_out_of_range_is_refused(name: str, state_directory: Path, what: str, value: float) -> None:
    _refused(ValueError, what, name, state_directory, **{what: value})


@pytest.mark.parametrize("what", ["cooldown", "slot_timeout"])
@pytest.mark.parametrize("value", NOT_A_NUMBER)
def test_a_duration_that_is_no_number_is_refused(name: str, state_directory: Path, what: str, value: object) -> None:
    _refused(TypeError, what, name, state_directory, **{what: value})


@pytest.mark.parametrize("value", [0, 0.0, -0.0, 1e-9])
def test_a_slot_timeout_of_nothing_is_refused(name: str, state_directory: Path, value: float) -> None:
    _refused(ValueError, "slot_timeout", name, state_directory, slot_timeout=value)


@pytest.mark.parametrize("what", ["gate", "on_stale"])
@pytest.mark.parametrize("value", ["", "Upstream", "open ", "both", None, 1, True, b"open", ["open"]])
def test_an_unknown_choice_is_refused(name: str, state_directory: Path, what: str, value: object) -> None:
    _refused(ValueError, what, name, state_directory, **{what: value})


def test_closed_on_stale_without_a_source_is_refused(name: str, state_directory: Path) -> None:
    with pytest.raises(ValueError, match=r"on_stale='closed' .*usage source"):
        Limiter(name, limit=4, on_stale="closed")
    assert name not in shmlimit.limiters()
    assert not state_directory.exists()


def test_what_is_not_a_usage_source_is_refused(name: str, state_directory: Path) -> None:
    for usage in (5, "no-such-preset", b"umans", True):
        with pytest.raises((TypeError, ValueError)) as caught:
            Limiter(name, limit=4, usage=usage)
        assert str(usage) in str(caught.value) or type(usage).__name__ in str(caught.value)
        assert name not in shmlimit.limiters()
    assert not state_directory.exists()


def test_positional_and_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(TypeError):
        Limiter(name, 4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="limits"):
        Limiter(name, limits=4)  # type: ignore[call-arg]
    assert name not in shmlimit.limiters()


@pytest.mark.parametrize("what", ["timeout", "since"])
@pytest.mark.parametrize("value", [-1, -1e-9, math.nan, math.inf, -math.inf])
def test_acquire_refuses_a_time_out_of_range(name: str, what: str, value: float) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with pytest.raises(ValueError, match=rf"{what} must be from 0 to [0-9.e+]+ seconds, not ") as caught:
        limiter.acquire(**{what: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)
    assert limiter.status().counters.granted == 0


@pytest.mark.parametrize("what", ["timeout", "since", "priority"])
@pytest.mark.parametrize("value", [value for value in NOT_A_NUMBER if not isinstance(value, float)])
def test_acquire_refuses_what_is_no_number(name: str, what: str, value: object) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with pytest.raises(TypeError, match=what) as caught:
        limiter.acquire(**{what: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)
    assert limiter.status().counters.granted == 0


@pytest.mark.parametrize("priority", [2**31, -(2**31), 2**63, -(2**64)])
def test_a_priority_out_of_range_is_refused(name: str, priority: int) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with pytest.raises(ValueError, match=f"priority .*{priority}"):
        limiter.acquire(priority=priority)
    with pytest.raises(TypeError, match=r"priority .*1\.5"):
        limiter.acquire(priority=1.5)  # type: ignore[arg-type]
    assert limiter.status().counters.granted == 0


@pytest.mark.parametrize("value", [-1, 8001, 2**64, 1.0, True, "4", None])
def test_setting_a_limit_that_makes_no_sense_changes_nothing(name: str, value: Any) -> None:
    limiter = Limiter(name, limit=4)
    limiter.report_429(600)
    with pytest.raises((TypeError, ValueError), match="limit") as caught:
        limiter.limit = value
    assert repr(value) in str(caught.value)
    now = limiter.status()
    assert (now.limit, now.configured_limit, now.paused) == (3, 4, True)


@pytest.mark.parametrize("what", ["cooldown", "slot_timeout"])
@pytest.mark.parametrize("value", [*NOT_A_DURATION, *NOT_A_NUMBER])
def test_setting_a_duration_that_makes_no_sense_changes_nothing(name: str, what: str, value: Any) -> None:
    limiter = Limiter(name, limit=4, cooldown=1, slot_timeout=2)
    with pytest.raises((TypeError, ValueError), match=what) as caught:
        setattr(limiter, what, value)
    assert repr(value) in str(caught.value)
    assert (limiter.cooldown, limiter.slot_timeout) == (1.0, 2.0)


@pytest.mark.parametrize("value", [*NOT_A_DURATION, *NOT_A_NUMBER])
def test_a_pause_that_makes_no_sense_changes_nothing(name: str, value: Any) -> None:
    limiter = Limiter(name, limit=4)
    with pytest.raises((TypeError, ValueError), match="pause") as caught:
        limiter.pause(value)
    assert repr(value) in str(caught.value)
    assert not limiter.status().paused


def test_errors_are_the_builtin_kinds_too() -> None:
    for kind, builtin in (
        (shmlimit.AcquireTimeout, TimeoutError),
        (shmlimit.LimiterNotFound, FileNotFoundError),
        (shmlimit.NeverAdmissible, ValueError),
        (shmlimit.LimiterClosed, ValueError),
        (SegmentRefused, PermissionError),
    ):
        assert issubclass(kind, builtin)
        assert issubclass(kind, ShmlimitError)
