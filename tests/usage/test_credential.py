"""Where a key may be kept, and how it must be kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shmlimit.usage import HttpUsage, UsageError
from shmlimit.usage.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "SHMLIMIT_TEST_KEY"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(b"abc\n")
    return path


def read(path: Path, way: str = "header:X-Key") -> bytes:
    ((_, value),) = Credential.parse(f"{way}:file:{path}").present().headers
    return value


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "key"), [(b"abc", b"abc"), (b"abc\n", b"abc"), (b"abc\r\n", b"abc"), (b"a b", b"a b")]
)
def test_one_newline_at_the_end_of_a_key_file_is_dropped(key_file: Path, content: bytes, key: bytes) -> None:
    key_file.write_bytes(content)
    assert read(key_file) == key


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"abc\n\n", "control character"),
        (b"abc\r\nX-Injected: 1", "control character"),
        (b"abc\x00", "control character"),
        (b"\x1b[31mabc", "control character"),
        ("abc\x85".encode(), "control character"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b" abc", "a space at an end"),
        ("abcé".encode(), "no header may hold"),
        (b"a" * 4097, "more than 4096 bytes"),
        (b"a" * 10_000_000, "more than 4096 bytes"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_key_that_cannot_be_sent_is_refused(key_file: Path, content: bytes, what: str) -> None:
    key_file.write_bytes(content)
    assert what in refusal(key_file)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_key_of_4096_bytes_is_read(key_file: Path, end: bytes) -> None:
    key_file.write_bytes(b"a" * 4096 + end)
    assert read(key_file) == b"a" * 4096


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o610, 0o601])
def test_a_key_file_that_is_open_to_others_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert f"has mode {mode:04o} and is open to others: chmod 600 it" in refusal(key_file)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_key_file_of_ours_alone_is_read(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert read(key_file) == b"abc"


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    assert "cannot be opened: No such file or directory" in refusal(tmp_path / "none")


def test_a_symbolic_link_is_not_followed(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    assert "is a symbolic link" in refusal(link)


def test_a_directory_is_no_key_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert "is not a regular file" in refusal(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a regular file" in refusal(tmp_path / "pipe")


def test_a_key_file_of_another_user_is_refused(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = key_file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert f"belongs to uid {owner}: it must belong to uid {owner + 1}" in refusal(key_file)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "is not set"),
        ("", "is empty"),
        ("abc\n", "control character"),
        ("abc\r\nX: y", "control character"),
        ("abc\udcff", "control character"),
        ("a" * 4097, "more than 4096 bytes"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_variable_without_a_usable_key_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str | None, what: str
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(NAME, value)
    # Nothing listens there: the key is read before anything is sent.
    source = HttpUsage("http://127.0.0.1:1/", in_flight="/n", auth=f"bearer:env:{NAME}")
    with source, pytest.raises(UsageError, match=f"^the environment variable {NAME} ") as caught:
        source.get_usage()
    assert what in str(caught.value)


def test_basic_needs_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "password-alone")
    with pytest.raises(UsageError, match="must hold 'user:password'") as caught:
        Credential.parse(f"basic:env:{NAME}").present()
    assert "alone" not in str(caught.value)


def test_an_empty_password_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "key:")
    assert Credential.parse(f"basic:env:{NAME}").present().headers == ((b"Authorization", b"Basic a2V5Og=="),)


def test_a_path_is_made_absolute(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(key_file.parent)
    assert Credential.parse("bearer:file:./key").reference == f"bearer:file:{key_file}"


def test_a_path_may_start_at_home(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(key_file.parent))
    assert Credential.parse("bearer:file:~/key").reference == f"bearer:file:{key_file}"


REFERENCES: list[Callable[[str], str]] = [
    lambda keeper: f"bearer:{keeper}",
    lambda keeper: f"basic:{keeper}",
    lambda keeper: f"header:X-Api-Key:{keeper}",
    lambda keeper: f"query:api_key:{keeper}",
]


@pytest.mark.parametrize("keeper", ["env:UMANS_API_KEY", "env:key", "env:_K2", "file:/run/keys/a:b c"])
@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_is_kept_as_it_was_given(reference: Callable[[str], str], keeper: str) -> None:
    assert Credential.parse(reference(keeper)).reference == reference(keeper)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "bearer",
        "bearer:",
        "bearer:env",
        "bearer:env:",
        "bearer:env:2X",
        "bearer:env:A B",
        "bearer:env:A-B",
        "bearer:env:NAME\n",
        "bearer:file:",
        "bearer:file:key",
        "bearer:file:/run/\x00key",
        "bearer:file:/run/key\n",
        "Bearer:env:NAME",
        "bearer:ENV:NAME",
        "bearer:X:env:NAME",
        "header:env:NAME",
        "header::env:NAME",
        "header:X Y:env:NAME",
        "header:Host:env:NAME",
        "header:Content-Length:env:NAME",
        "query::env:NAME",
        "query:a b:env:NAME",
        "query:a&b:env:NAME",
        "digest:env:NAME",
    ],
)
def test_anything_else_is_no_reference(reference: str) -> None:
    with pytest.raises(ValueError, match=r"^auth .*'bearer:env:NAME'"):
        HttpUsage("https://h.example/", in_flight="/n", auth=reference)
