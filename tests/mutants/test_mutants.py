"""The tests of the core are tested: every listed fault must make some tier fail.

By default only what rots is checked: that each fault still stands in the sources, compiles, and is in the table. With
`--minutes N` a part that rotates by the day is built and must be killed by a tier that the table names; with `--long`
all are tried by all tiers, and the table is written anew.
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
    killers = table.read()
    assert list(killers) == [mutant.name for mutant in MUTANTS], "write it anew: pytest tests/mutants --long"
    assert not [name for name, tiers in killers.items() if not tiers]


def test_todays_part_of_the_mutants_is_killed(seconds: float | None, tmp_path: Path) -> None:
    if seconds is None:
        pytest.skip("mutants are built and tried with --minutes N (a part) or --long (all)")
    end = time.monotonic() + seconds
    killers = table.read()
    first = int(time.time() // 86400) * 7 % len(MUTANTS)
    for mutant in MUTANTS[first:] + MUTANTS[:first]:
        tier = next(tier for tier in TIERS if tier in killers[mutant.name])
        with Trial(mutant, tmp_path) as trial:
            verdict = trial.judge(tier)
        print(f"{mutant.name}: {verdict.by} ({verdict.seconds:.0f} s)")
        assert verdict.is_killed, f"{mutant.name} survives {tier}, which used to kill it"
        if time.monotonic() > end:
            break


def test_every_mutant_is_killed_and_a_sound_copy_is_not(is_long: bool, tmp_path: Path) -> None:
    if not is_long:
        pytest.skip("all mutants are tried by all tiers with --long, which takes hours")
    with Trial(None, tmp_path) as sound:
        for tier in TIERS:
            verdict = sound.judge(tier)
            assert not verdict.is_killed, f"the tests fail without any fault: {verdict.by}"
    verdicts = {}
    for mutant in MUTANTS:
        with Trial(mutant, tmp_path) as trial:
            verdicts[mutant.name] = {tier: trial.judge(tier) for tier in TIERS}
        print(f"{mutant.name}: {', '.join(tier for tier, one in verdicts[mutant.name].items() if one.is_killed)}")
    table.write(verdicts)
    survivors = [name for name, by_tier in verdicts.items() if not any(one.is_killed for one in by_tier.values())]
    assert not survivors
