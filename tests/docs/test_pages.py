"""The pages in docs/: their code runs, their links lead somewhere, and nothing that they should list is missing."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, get_args

import pytest

import shmlimit.errors
from shmlimit.cli.health import examine
from shmlimit.emulate.process import EmulatorProcess
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.httpx import PermitTimeout
from shmlimit.status import BlockedBy
from tests.examples.program import Program
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
LINK = re.compile(r"\]\((?!https?://)([^)#]+)[^)]*\)")
# What a page's Python needs beyond shmlimit.
NEEDS = {"anthropic.md": "anthropic", "asyncio.md": "trio", "openai.md": "openai"}


def blocks(page: Path, language: str) -> list[str]:
    """The page's code in one language, each padded so that line numbers are the page's."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return ["\n" * page.read_text()[: match.start(1)].count("\n") + match[1] for match in found]


def pages_with(language: str) -> list[str]:
    return [page.name for page in PAGES if blocks(page, language)]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """An upstream, and a place for limiters of the names that the pages use."""
    directory = tempfile.mkdtemp(prefix="shmlimit-docs-", dir="/dev/shm")
    with EmulatorProcess(EmulatorSettings(session_median=0.05, limit=1000)) as emulator:
        yield {
            "SHMLIMIT_DIR": directory,
            "BASE_URL": emulator.url,
            "OPENAI_BASE_URL": f"{emulator.url}/v1",
            "OPENAI_API_KEY": "any",
            "ANTHROPIC_BASE_URL": emulator.url,
            "ANTHROPIC_API_KEY": "any",
        }
    shutil.rmtree(directory)


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_runs_from_top_to_bottom(page: str, environment: dict[str, str], tmp_path: Path) -> None:
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    script = tmp_path / "page.py"
    code = [f"exec(compile({block!r}, {page!r}, 'exec'))\n" for block in blocks(DOCS / page, "python")]
    script.write_text("".join(code))
    with Program(sys.executable, os.fspath(script), **environment) as program:
        print(program.end())


@pytest.mark.parametrize("page", pages_with("sh"))
def test_the_shell_commands_of_a_page_succeed(page: str, environment: dict[str, str]) -> None:
    with Program("sh", "-ec", "".join(blocks(DOCS / page, "sh")), **environment) as program:
        print(program.end())


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: str(page.name))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert not [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", pages_with("py"))
def test_an_excerpt_stands_in_an_example(page: str) -> None:
    examples = {line.strip() for path in (ROOT / "examples").glob("*.py") for line in path.read_text().splitlines()}
    excerpts = {line.strip() for block in blocks(DOCS / page, "py") for line in block.splitlines()}
    assert not excerpts - examples - {""}


def test_every_page_and_example_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    examples = [path for path in (ROOT / "examples").iterdir() if path.is_file()]
    assert not [page.name for page in PAGES if f"]({page.name})" not in index and page.name != "README.md"]
    assert not [path.name for path in examples if f"](../examples/{path.name})" not in index]


def test_troubleshooting_knows_every_error_every_reason_to_wait_and_every_finding() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    errors = [one for one in vars(shmlimit.errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    named = {one.__name__ for one in [*errors, PermitTimeout]} - {"ShmlimitError"}
    lines = {finding.text.partition(":")[0] for finding in examine(None) if "private files" not in finding.text}
    findings = {"limiter NAME" if line.startswith("limiter ") else line for line in lines - {"no limiters yet"}}
    assert not [one for one in sorted(named) if f"\n| `{one}` |" not in page]
    assert not [one for one in get_args(BlockedBy) if f"\n| `{one}` |" not in page]
    assert not [one for one in sorted(findings) if f"\n| `{one}` |" not in page]
