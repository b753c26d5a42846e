"""What may come of an operation under a fault: nothing, or an error that says which call failed and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.fault import Fault

_DENIED = frozenset({"EACCES", "EPERM"})
# Each kind of error besides the OSError itself: the failures that it may stand for.
_MEANINGS = {
    "LimiterNotFound": {"openat": {"ENOENT"}, "newfstatat": {"ENOENT"}, "renameat2": {"ENOENT", "EEXIST"}},
    "SegmentOrphaned": {"openat": {"ENOENT"}, "newfstatat": {"ENOENT"}},
    "SegmentRefused": {"openat": {"ELOOP"}},
    # A host without procfs, or one that denies it, has no boot id.
    "SegmentIncompatible": {"openat": {"ENOENT", *_DENIED}},
    "UnsupportedPlatform": {
        "fcntl": {"EINVAL", *_DENIED, "EAGAIN"},
        "futex": {"ENOSYS", "EPERM"},
        "madvise": {"EINVAL"},
        "mmap": {"EPERM"},
    },
    "ParticipantsFull": {"fcntl": {"EACCES", "EAGAIN"}},
    "MemoryError": {"mmap": {"ENOMEM", "EAGAIN", "EPERM"}},
}


def complaint(fault: Fault, name: str, outcome: dict[str, Any], stderr: str) -> str:
    """What is wrong with this outcome; empty: nothing."""
    if not outcome["kinds"]:
        return ""
    kind, message = outcome["kinds"][0], outcome["message"]
    if fault.error == "EINTR" and outcome["where"][-1].startswith("_core."):
        return f"an interrupted call is to be made again: {kind}: {message}"
    if kind == "CommandFailed":
        lines = stderr.splitlines()
        return "" if lines and all("shmlimit" in line for line in lines) else f"says {stderr!r}"
    if kind in _MEANINGS:
        meant = fault.error in _MEANINGS[kind].get(fault.call, ())
        return "" if meant else f"{kind} is not what happened: {message}"
    if "ShmlimitError" in outcome["kinds"] or "OSError" not in outcome["kinds"]:
        return f"{kind}: {message}"
    if outcome["errno"] != fault.errno:
        return f"errno {outcome['errno']} is not what happened: {message}"
    return "" if name in message or "/" in message or "(" in message else f"does not say what failed: {message}"
