"""The inputs of the fuzzers as text: what each record says in words, and the corpus, one input a line.

A line is the beginning and the records, separated by semicolons:

    busy; set slot 3 =2a; try me 0 =3e8; flip admission 0 =20000000000 @5+7; wait me 0 =0

A record is a verb, what (the place of an edit, the actor of an operation), which, and where they are not zero the
value (hexadecimal) and @DELAY+EVERY. In peace the edits are not made. program.h says what all of it means and is where
the names come from.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.txt"
"""Made by `python -m tests.fuzz`."""
FINDINGS = HERE / "findings.txt"
"""Inputs that once failed, each after a comment that says why."""
_RECORD = struct.Struct("<BBHHHQ")
_TEXT = re.compile(r"(\w+) (\w+)(!?) (\d+)(?: =([0-9a-f]+))?(?: @(\d+)\+(\d+))?")
_LABELLED = _PEACE = 0x80
_IN_PEACE = " in peace"


def _names(enum: str) -> list[str]:
    """The members of an enum of program.h, without their prefix and the count at the end."""
    body = re.search(rf"enum {enum} {{(.*?)}}", (HERE / "program.h").read_text(), re.DOTALL)
    assert body, enum
    members = re.findall(r"\b([A-Z]+)_([A-Z0-9_]+)\b", re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL))
    return [name.lower() for _, name in members]


BEGINNINGS, VERBS, PLACES, ACTORS = map(_names, ("beginning", "verb", "place", "actor"))
_EDITS = VERBS[: VERBS.index("try")]


def _record_of(text: str) -> bytes:
    match = _TEXT.fullmatch(text)
    assert match, f"not a record: {text!r}"
    verb, what, labelled, which, value, delay, every = match.groups()
    names = PLACES if verb in _EDITS else ACTORS
    code = names.index(what) | (_LABELLED if labelled else 0)
    return _RECORD.pack(VERBS.index(verb), code, int(which), int(delay or 0), int(every or 0), int(value or "0", 16))


def _text_of(record: bytes) -> str:
    verb, what, which, delay, every, value = _RECORD.unpack(record)
    name = VERBS[verb % len(VERBS)]
    if name in _EDITS:
        text = f"{name} {PLACES[what % len(PLACES)]} {which}"
    else:
        text = f"{name} {ACTORS[what & ~_LABELLED & 0xFF & (len(ACTORS) - 1)]}{'!' if what & _LABELLED else ''} {which}"
    return text + (f" ={value:x}" if value else "") + (f" @{delay}+{every}" if delay or every else "")


def encode(line: str) -> bytes:
    """The input that a line of the corpus stands for."""
    beginning, *records = line.split("; ")
    code = BEGINNINGS.index(beginning.removesuffix(_IN_PEACE)) | (_PEACE if beginning.endswith(_IN_PEACE) else 0)
    return bytes([code]) + b"".join(map(_record_of, records))


def is_peaceful(data: bytes) -> bool:
    """Whether the target makes none of the input's edits."""
    return bool(data[0] & _PEACE)


def decode(data: bytes) -> str:
    """An input in words; what the target ignores is left out."""
    whole = range(1, len(data) - _RECORD.size + 1, _RECORD.size)
    beginning = BEGINNINGS[(data[0] & ~_PEACE) % len(BEGINNINGS)] + (_IN_PEACE if is_peaceful(data) else "")
    return "; ".join([beginning, *(_text_of(data[at : at + _RECORD.size]) for at in whole)])


def read_findings() -> list[str]:
    return [line for line in FINDINGS.read_text().splitlines() if not line.startswith("#")]


def read() -> list[str]:
    """The committed inputs."""
    return [*read_findings(), *CORPUS.read_text().splitlines()]


def unpack(directory: Path) -> list[Path]:
    """Write each input of the corpus into a file of its own, as the fuzzers take them."""
    directory.mkdir(exist_ok=True)
    paths = []
    for number, line in enumerate(read()):
        path = directory / f"{number:04}"
        path.write_bytes(encode(line))
        paths.append(path)
    return paths
