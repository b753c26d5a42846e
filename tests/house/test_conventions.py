"""What the sources keep to, read from the sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shmlimit

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "csrc").glob("*.[ch]"))
LIBC_SYNC = re.compile(r"\b(sem_t|pthread_cond_t|pthread_rwlock_t|pthread_barrier_t|pthread_spinlock_t)\b")
ATOMIC_WRITE = re.compile(r"\b(cas64|store64|store32|add64|add32|atomic_compare_exchange_strong)\(")


def code_of(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_no_private_futex_no_libc_synchronisation_no_volatile_in_the_core(path: Path) -> None:
    code = code_of(path)
    assert "FUTEX_PRIVATE" not in code
    assert "volatile" not in code
    assert not LIBC_SYNC.search(code)
    # One process-private mutex guards the list of this process's attachments; nothing else may lock.
    assert path.name == "attach.c" or "pthread_mutex" not in code


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.suffix == ".c" and path.name != "os.c"], ids=lambda path: str(path.name)
)
def test_shared_memory_is_written_only_where_a_comment_gives_the_crash_argument(path: Path) -> None:
    text = path.read_text()
    if not ATOMIC_WRITE.search(code_of(path)):
        return
    assert re.search(r"[Cc]rash|crash", text), f"{path.name}: what does a crash leave?"
    for number, line in enumerate(text.splitlines()):
        if "cas64(" in line and "static inline" not in line:
            before = "\n".join(text.splitlines()[max(0, number - 12) : number + 1])
            assert "Crash" in before or "crash" in before, f"{path.name}:{number + 1}: {line.strip()}"


def test_all_is_what_the_package_exports() -> None:
    # pytest, which rewrites packages that have plugins, leaves names in them that are none.
    public = {name for name in vars(shmlimit) if name.isidentifier() and not name.startswith("_")}
    modules = {"errors", "limiter", "limited", "segment", "settings", "statefile", "launch", "opening", "annotations"}
    modules |= {"controls", "holding", "request", "loops", "loop_queue", "relay", "standing"}
    modules |= {"permits", "loop_thread", "bundle", "rotation", "composition"}
    modules |= {"usage", "poller", "cli", "emulate", "demo"}
    modules |= {"refusal", "feed", "transport", "httpx", "httpx2", "pytest"}
    assert public - modules == set(shmlimit.__all__)


def test_every_public_name_has_a_docstring() -> None:
    for name in shmlimit.__all__:
        assert getattr(shmlimit, name).__doc__, name
    for kind in (shmlimit.Limiter, shmlimit.Permit, shmlimit.Permits, shmlimit.Status):
        for name, member in vars(kind).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                assert member.__doc__, f"{kind.__name__}.{name}"


def test_no_file_holds_two_responsibilities_worth_of_lines() -> None:
    files = [*SOURCES, *(ROOT / "src").rglob("*.py")]
    long = {path.name: count for path in files if (count := len(path.read_text().splitlines())) > 350}
    assert not long
