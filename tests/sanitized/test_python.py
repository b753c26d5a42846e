"""The Python tests of the limiter, with the extension under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sanitized.build import build, environment, runtime
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FEW = [
    *(f"tests/limiter/test_{name}.py" for name in ("admission", "permit", "refusals", "status", "weights")),
    *(f"tests/lifecycle/test_{name}.py" for name in ("damage", "fork")),
]
ALL = ["tests/limiter", "tests/lifecycle"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not runtime():
        pytest.skip("the C compiler has no AddressSanitizer")
    return build(tmp_path_factory.mktemp("sanitized"))


def test_a_report_of_the_sanitizer_ends_the_process(package: Path) -> None:
    """What the tests below rely on: the sanitizers are in, and fatal."""
    code = "import ctypes, shmlimit; ctypes.memmove(ctypes.create_string_buffer(8), bytes(99), 99)"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment(package), capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "AddressSanitizer" in result.stderr


def test_the_python_tests_pass_under_the_sanitizers(package: Path, is_long: bool) -> None:
    selection = ALL if is_long else FEW
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *selection],
        cwd=ROOT,
        env=environment(package),
        capture_output=True,
        text=True,
        check=False,
    )
    print(result.stdout.splitlines()[-1])
    assert result.returncode == 0, f"{result.stdout[-4000:]}{result.stderr[-4000:]}"
