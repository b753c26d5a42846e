"""Dependencies point one way, in Python and in C."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "shmlimit"
CORE = ROOT / "csrc"

# A layer may import its own and those before it.
PYTHON_LAYERS = [
    {"errors"},
    {"_core"},
    {"settings", "statefile", "status", "segment", "launch"},
    {"opening", "request"},
    {"controls", "relay", "standing", "loop_queue", "loops", "holding", "limited", "limiter"},
    {"permits"},
    {"loop_thread"},
    {"bundle", "rotation"},
    {"composition"},
    {""},  # the package itself
    {"usage", "refusal"},
    {"feed"},
    {"poller", "emulate", "transport"},
    {"httpx", "httpx2", "pytest"},
    {"demo"},
    {"cli"},
]
# What a program that only limits must not pay for, at import.
HEAVY = {
    "httpx",
    "httpx2",
    "click",
    "rich",
    "starlette",
    "uvicorn",
    "subprocess",
    "asyncio",
    "multiprocessing",
    "pytest",
}

C_LAYERS = [
    ["atomic.h", "words.h", "host", "patience"],
    ["os.h", "layout.h"],
    ["shmlimit.h"],
    ["segment"],
    ["slots"],
    ["admission", "gate", "participants"],
    ["reaper"],
    ["queue"],
    ["attach"],
    ["park", "bell", "entry"],
    ["limiter", "settings", "sample", "audit", "snapshot"],
]


def layer_of(module: str) -> int:
    top = module.removeprefix("shmlimit").removeprefix(".").split(".")[0]
    for index, names in enumerate(PYTHON_LAYERS):
        if top in names:
            return index
    raise AssertionError(f"{module} is in no layer")


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports while it runs; what only types need does not count."""
    found = set()
    tree = ast.parse(path.read_text())
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "shmlimit"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "shmlimit":
            module = node.module or ""
            submodules = {f"{module}.{alias.name}" for alias in node.names if is_module(f"{module}.{alias.name}")}
            found |= submodules or {module}
    return found


def is_module(dotted: str) -> bool:
    path = PACKAGE.parent / Path(*dotted.split("."))
    return path.with_suffix(".py").exists() or path.with_suffix(".pyx").exists() or path.is_dir()


def module_of(path: Path) -> str:
    parts = ["shmlimit", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[module_of(path) for path in FILES])
def test_a_module_imports_only_layers_before_its_own(path: Path) -> None:
    own = layer_of(module_of(path))
    too_high = {module for module in imports_of(path) if layer_of(module) > own}
    # The one exception: a Limiter that is given a source asks `usage` what it is, then and not before.
    if module_of(path) == "shmlimit.opening":
        too_high -= {"shmlimit.usage"}
    assert not too_high


def test_importing_the_package_brings_nothing_heavy() -> None:
    code = f"import sys, shmlimit; print(sorted({HEAVY!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def c_layer(name: str) -> int:
    for index, names in enumerate(C_LAYERS):
        if name in names or Path(name).stem in names:
            return index
    raise AssertionError(f"{name} is in no layer")


@pytest.mark.parametrize("path", sorted(CORE.glob("*.[ch]")), ids=lambda path: str(path.name))
def test_a_c_file_includes_only_layers_before_its_own(path: Path) -> None:
    included = re.findall(r'#include "([^"]+)"', path.read_text())
    own = "atomic.h" if path.name in ("atomic.h", "words.h") else path.name
    if path.stem == "os":
        own = "os.h"
    assert not [name for name in included if c_layer(name) > c_layer(own)]
