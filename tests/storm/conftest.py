"""Fixtures of the checker's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storm.book import Book

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Empty journals."""
    return Book(tmp_path)
