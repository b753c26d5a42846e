"""No example is left untried."""

from __future__ import annotations

import pytest

from tests.support.processes import ROOT

TESTS = "".join(
    path.read_text() for folder in ("examples", "integrations") for path in (ROOT / "tests" / folder).glob("*.py")
)


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_file()))
def test_a_test_tries_it(example: str) -> None:
    assert f'"{example}"' in TESTS
