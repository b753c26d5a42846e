"""docs/RELIABILITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "RELIABILITY.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.(?:py|c))::(\w+)`", PAGE)))


def test_forty_faults_are_listed() -> None:
    assert re.findall(r"^\| (F\d+) \|", PAGE, re.MULTILINE) == [f"F{number}" for number in range(1, 41)]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    text = (TESTS / file).read_text()
    assert f"def {name}(" in text if file.endswith(".py") else f"PROPERTY({name})" in text
