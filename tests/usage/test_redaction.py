"""What is left of a text when the secret has been taken out."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shmlimit.usage.redaction import PIECE, redact

KEY = "sk-5f0d1c7be92a4463"
TEXT = st.text(string.ascii_letters + string.digits + "-_ {}'\"", max_size=60)
KEYS = st.text(string.ascii_letters + string.digits + "-_/+=", min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("nothing of it", "nothing of it"),
        (KEY, "[secret]"),
        (f"the key {KEY} is revoked", "the key [secret] is revoked"),
        (f"{KEY}{KEY}", "[secret]"),
        (f"{KEY} {KEY}", "[secret] [secret]"),
        (f"it ends in {KEY[-PIECE:]}", "it ends in [secret]"),
        (f"it begins with {KEY[:PIECE]}...", "it begins with [secret]..."),
        (f"cut: {KEY[: PIECE + 3]}", "cut: [secret]"),
        (f"masked: {KEY[:4]}***{KEY[-4:]}", f"masked: {KEY[:4]}***{KEY[-4:]}"),
    ],
)
def test_a_key_is_taken_out_whole_and_in_pieces(text: str, shown: str) -> None:
    assert redact(text, [KEY]) == shown


def test_each_form_is_taken_out_and_an_empty_one_takes_nothing() -> None:
    assert redact("first-form, second-form", ["first-form", "", "second-form"]) == "[secret], [secret]"


def test_a_key_shorter_than_a_piece_is_taken_out_where_it_stands_whole() -> None:
    assert redact("pin 1234, not 123", ["1234"]) == "pin [secret], not 123"


@given(before=TEXT, key=KEYS, after=TEXT, cut=st.integers(0, 160))
def test_no_piece_is_left_however_the_text_is_cut_afterwards(before: str, key: str, after: str, cut: int) -> None:
    shown = redact(f"{before}{key}{after}", [key]).replace("[secret]", "\0")[:cut]
    pieces = {key[start : start + PIECE] for start in range(max(1, len(key) - PIECE + 1))}
    assert not [piece for piece in pieces if piece in shown]


@given(text=TEXT, key=st.text("§", min_size=1, max_size=20))
def test_a_text_without_the_key_is_left_as_it_is(text: str, key: str) -> None:
    assert redact(text, [key]) == text
