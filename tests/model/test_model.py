"""Every state of the protocol's model, configuration by configuration; and faults of it that must be seen."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.model.search import HERE, search
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

needs_spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")), reason="spin and gcc search the model: apt install spin gcc"
)


@dataclass(frozen=True)
class Configuration:
    """A file of configurations/, and how far it goes: by default, and with --long."""

    name: str
    short: tuple[str, ...] | None = ("ROUNDS=1",)
    """None: only with --long."""
    long: tuple[str, ...] = ()
    """Without ROUNDS everybody goes round for ever."""
    minutes: int | None = None
    """None: to the end; else too large for that, and searched for so long."""


FOREVER: tuple[str, ...] = ()
ONCE = ("ROUNDS=1",)
CONFIGURATIONS = (
    Configuration("two_clients", short=FOREVER),
    Configuration("signal"),
    Configuration("impatience"),
    Configuration("weights"),
    Configuration("two_clients_and_a_crash"),
    Configuration("successor"),
    Configuration("reaper_killed", short=FOREVER),
    Configuration("reaper_killed_among_two", short=None, long=ONCE, minutes=20),
    Configuration("gate", long=("ROUNDS=2",)),
    Configuration("limit_change"),
    Configuration("limit_change_among_two", short=None, long=ONCE, minutes=20),
)


@needs_spin
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda configuration: configuration.name)
def test_no_state_of_the_model_breaks_an_invariant(configuration: Configuration, is_long: bool, tmp_path: Path) -> None:
    macros = configuration.long if is_long else configuration.short
    if macros is None:
        pytest.skip("a large configuration: --long")
    outcome = search(configuration.name, tmp_path, macros, large=is_long, minutes=configuration.minutes)
    extent = f"{configuration.minutes} minutes" if configuration.minutes else "all"
    print(f"{configuration.name} {' '.join(macros) or 'for ever'}: {outcome.states:,} states, {extent}")
    assert not outcome.error, f"{outcome.error}\n{outcome.trace}"


FAULTS = {
    # A helper acts on a slot word without looking whether A is still what it read first.
    "WITHOUT_RECHECK": ("two_clients", FOREVER),
    # The installer moves the slot from the word that it reads now: perhaps a later occupancy's.
    "LATE_HELPER": ("two_clients", FOREVER),
    # A CAS compares a slot's state alone.
    "NO_GENERATION": ("two_clients", FOREVER),
    # The wake of a waiter before its slot is moved.
    "WAKE_BEFORE_MOVE": ("signal", ONCE),
    # The ADMIT of a waiter is replaced while its wake is owed.
    "ONE_ADMIT_CODE": ("two_clients", FOREVER),
    # Helpers leave the wake to whoever installed the ADMIT, who may be late.
    "WITHOUT_ANNOUNCE": ("two_clients", FOREVER),
    # The waiter's futex word does not change.
    "WITHOUT_BUMP_OF_WAKE": ("two_clients", FOREVER),
    # The waiter reads its slot, then the futex word it sleeps on.
    "WORD_BEFORE_WAKE": ("signal", ONCE),
    # Whoever queues does not look whether room was made meanwhile.
    "QUEUE_WITHOUT_GRANT": ("two_clients", FOREVER),
    # Whoever releases looks for waiters only before.
    "WAITERS_READ_ONCE": ("two_clients", ONCE),
    # A change of settings leaves A as it was.
    "WITHOUT_BUMP": ("limit_change", ONCE),
    # A sample is written whatever is there already.
    "LATE_SAMPLE": ("gate", ONCE),
    # A slot is due though no sample began after it had cooled.
    "UNCONFIRMED": ("gate", ("ROUNDS=2",)),
    # The reaper frees a dead owner's CLAIMED slot without finishing what A holds.
    "REAP_UNSETTLED": ("two_clients_and_a_crash", ONCE),
    # The reaper takes back permits and leaves what the dead had claimed or waited in.
    "REAP_HELD_ONLY": ("two_clients_and_a_crash", ONCE),
    # A slow reaper does not look whether the entry is still the dead one's.
    "REAP_WITHOUT_CHECK": ("successor", ONCE),
    # A reaper leaves an entry to another who was faster, who may be stopped: there is no entry for who attaches.
    "LEFT_TO_THE_FASTER": ("successor", ONCE),
    # Who attaches is LIVE before it has its lock.
    "LIVE_BEFORE_LOCK": ("successor", ONCE),
}


@needs_spin
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_model_is_seen(fault: str, tmp_path: Path) -> None:
    configuration, macros = FAULTS[fault]
    outcome = search(configuration, tmp_path, (fault, *macros))
    print(f"{fault}: seen after {outcome.states:,} states")
    assert outcome.error
    assert outcome.trace


def _functions(source: Path) -> dict[str, str]:
    """Return the functions that a C file defines, by name, with their text."""
    text = re.sub(r"/\*.*?\*/", "", source.read_text(), flags=re.DOTALL)
    found = re.finditer(r"^[a-z][\w \*]*?\b(\w+)\([^;{}]*\)\n\{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {match[1]: match[2] for match in found}


def _mirrored() -> dict[str, set[str]]:
    """Return what README.md's tables name: the functions of each C file."""
    rows = re.findall(r"^\| (\w+\.c) \| ([^|]*) \|", (HERE / "README.md").read_text(), re.MULTILINE)
    named: dict[str, set[str]] = {}
    for file, functions in rows:
        named.setdefault(file, set()).update(re.findall(r"`(\w+)`", functions))
    return named


def test_every_function_that_the_table_names_exists() -> None:
    mirrored = _mirrored()
    assert mirrored
    for file, functions in mirrored.items():
        defined = _functions(ROOT / "csrc" / file)
        assert functions <= set(defined), f"{file}: {sorted(functions - set(defined))}"


def test_every_function_that_moves_a_word_is_in_the_table() -> None:
    mirrored = _mirrored()
    for source in sorted((ROOT / "csrc").glob("*.c")):
        moving = {name for name, body in _functions(source).items() if "cas64(" in body}
        assert moving <= mirrored.get(source.name, set()), f"{source.name}: {sorted(moving)}"


def test_every_inline_that_the_table_names_exists() -> None:
    model = "\n".join(path.read_text() for path in sorted((HERE / "protocol").glob("*.pml")))
    defined = set(re.findall(r"^(?:inline |#define |proctype )(\w+)\b", model, re.MULTILINE))
    table = (HERE / "README.md").read_text().partition("Not in the model")[0]
    named = re.findall(r"^\| \w+\.c \| [^|]* \| ([^|]*) \|", table, re.MULTILINE)
    inlines = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    assert inlines <= defined, sorted(inlines - defined)


@needs_spin
def test_every_configuration_is_searched() -> None:
    assert {path.stem for path in (HERE / "configurations").glob("*.pml")} == {each.name for each in CONFIGURATIONS}
