"""The tests of the core are tested: every listed fault must make some tier fail.

By default only what rots is checked: that each fault still stands in the sources, compiles, and is in the table. With
`--minutes N` a part that rotates by the day is built and must be killed by a tier that the table names; with `--long`
all are tried by all tiers (or by each `--tier NAME`), and the table says what came of it.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.mutants import table
from tests.mutants.mutant import MUTANTS, Mutant
from tests.mutants.trial import TIERS, Trial
from tests.support.workshop import CORE, PLAIN, WARNINGS

if TYPE_CHECKING:
    from pathlib import Path


def test_the_faults_have_different_names() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_stands_in_the_sources_and_compiles(mutant: Mutant, tmp_path: Path) -> None:
    core = tmp_path / "csrc"
    shutil.copytree(CORE, core)
    mutant.apply(core)
    command = [PLAIN.compiler, "-std=c11", *WARNINGS, "-fsyntax-only", str(core / mutant.file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_table_names_a_killer_of_every_mutant() -> None:
    survivors = [name for name, tiers in table.killers().items() if not tiers]
    assert not survivors, "see which tier kills them: pytest tests/mutants --long -n2 -k NAME"


def test_todays_part_of_the_mutants_is_killed(seconds: float | None, tmp_path: Path) -> None:
    if seconds is None:
        pytest.skip("mutants are built and tried with --minutes N (a part that rotates) or --long (all)")
    end = time.monotonic() + seconds
    killers = table.killers()
    first = int(time.time() // 86400) * 7 % len(MUTANTS)
    for mutant in MUTANTS[first:] + MUTANTS[:first]:
        tier = killers[mutant.name][0]
        with Trial(mutant, tmp_path) as trial:
            verdict = trial.judge(tier)
        print(f"{mutant.name}: {verdict.by} ({verdict.seconds:.0f} s)")
        assert verdict.is_killed, f"{mutant.name} survives {tier}, which used to kill it"
        if time.monotonic() > end:
            break


@pytest.fixture
def tiers(pytestconfig: pytest.Config, is_long: bool) -> list[str]:
    """The tiers that judge in a long run."""
    if not is_long:
        pytest.skip("all tiers judge all mutants with --long, which takes hours")
    return pytestconfig.getoption("--tier") or list(TIERS)


def test_a_sound_copy_survives(tiers: list[str], tmp_path: Path) -> None:
    with Trial(None, tmp_path) as sound:
        for tier in tiers:
            verdict = sound.judge(tier)
            assert not verdict.is_killed, f"the tests of {tier} fail without any fault: {verdict.by}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant, tiers: list[str], tmp_path: Path) -> None:
    with Trial(mutant, tmp_path) as trial:
        verdicts = {tier: trial.judge(tier) for tier in tiers}
    for tier, verdict in verdicts.items():
        print(f"{tier}: {verdict.by or 'survived'} ({verdict.seconds:.0f} s)")
    table.record(mutant, verdicts)
    assert table.killers()[mutant.name], "no tier has killed it yet"
