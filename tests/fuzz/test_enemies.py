"""What is shipped, its patience included, against an enemy: bounded in accesses, with the time that takes printed."""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.fuzzer import HERE, environment
from tests.support.workshop import MEMORY, PLAIN, RACES, Build, Workshop

if TYPE_CHECKING:
    from pathlib import Path

MACROS = ("-DSHMLIMIT_STEP=step",)
SECONDS = 2


def run(build: Build, binary: Path, *arguments: str, **variables: str) -> None:
    with environment() as base:
        result = subprocess.run(
            [*build.command(binary), *arguments],
            env={**base, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    print(result.stdout)
    assert result.returncode == 0, f"{variables}\n{result.stdout[-2000:]}{result.stderr[-6000:]}"


@pytest.mark.parametrize("build", [PLAIN, MEMORY, RACES], ids=lambda build: str(build.name))
def test_every_call_ends_whatever_others_write_meanwhile(
    build: Build, workshop: Workshop, seconds: float | None, is_long: bool
) -> None:
    if missing := workshop.missing(build):
        pytest.skip(missing)
    if build is RACES and seconds is None and not is_long:
        pytest.skip("under ThreadSanitizer with --minutes N or --long; the native tests have a shorter one of it")
    binary = workshop.binary([HERE / "enemies.c"], build, macros=MACROS)
    duration = str(SECONDS if seconds is None else max(1, round(seconds / 4)))
    run(build, binary, SHMLIMIT_NATIVE_SECONDS=duration, SHMLIMIT_NATIVE_SEED=str(secrets.randbelow(1 << 30)))


def test_a_call_that_is_kept_ends(workshop: Workshop) -> None:
    run(PLAIN, workshop.binary([HERE / "endurance.c"], PLAIN, macros=MACROS), "a_call_that_is_kept_ends")


@pytest.mark.parametrize("table", ["small", "default", "largest"])
def test_every_call_ends_in_tables_of_all_sizes_and_states(table: str, workshop: Workshop, is_long: bool) -> None:
    if not is_long:
        pytest.skip("every enemy at every call, for some minutes, with --long")
    run(PLAIN, workshop.binary([HERE / "endurance.c"], PLAIN, macros=MACROS), f"every_call_ends_in_the_{table}_table")
