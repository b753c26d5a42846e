"""What a killed holder had is another's soon, and always: the figures are printed, and judged by people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storm import upstream
from tests.storm.reclaim import figures, measure

if TYPE_CHECKING:
    from pathlib import Path

_SHORT, _LONG = 20, 1000


@pytest.mark.parametrize("usage", [None, f"{upstream.__name__}:usage"], ids=["without a poller", "with a poller"])
def test_a_parked_waiter_gets_the_slot_of_a_killed_holder(
    usage: str | None, name: str, tmp_path: Path, is_long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(upstream.LIMITER, name)
    directory = tmp_path / "journals"
    directory.mkdir()
    print(figures(measure(directory, name, _LONG if is_long else _SHORT, usage)))
