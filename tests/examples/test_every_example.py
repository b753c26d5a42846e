"""No example is left untried."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import ROOT

TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_file()))
def test_a_test_here_tries_it(example: str) -> None:
    assert f'"{example}"' in TESTS
