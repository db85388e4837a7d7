"""Names are bytes; they are shown without loss and without harm."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffio_watch.disk.names import dumps, fold, is_utf8, parse, path_hex, show, terminal

raw_names = st.binary(max_size=40).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)


@pytest.mark.parametrize("name", ["interview.wav", "a\\b.wav", "Gespräch 😀.wav", "line\nbreak.wav", "\u202egnp.wav"])
def test_valid_utf8_stands_as_it_is(name: str) -> None:
    assert show(name) == name
    assert path_hex(name) is None


def test_bad_bytes_and_then_backslashes_are_escaped() -> None:
    name = os.fsdecode(b"take \xff\\1 \xe4\xb8.wav")
    assert show(name) == r"take \xff\\1 \xe4\xb8.wav"
    assert path_hex(name) == b"take \xff\\1 \xe4\xb8.wav".hex()


@given(raw_names)
def test_what_was_shown_is_read_back(name: str) -> None:
    shown = show(name)
    assert is_utf8(shown)
    if not is_utf8(name):
        assert parse(shown) == name
    assert parse(shown, path_hex(name)) == name or is_utf8(name)


@given(raw_names.filter(lambda name: "\\" not in name))
def test_what_a_terminal_showed_is_read_back_too(name: str) -> None:
    assert parse(terminal(name)) == name
    assert parse(terminal(show(name))) == name


@given(st.text() | raw_names)
def test_nothing_that_a_terminal_acts_on_gets_through(text: str) -> None:
    out = terminal(text)
    out.encode()
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in out)
    assert not set("\u200e\u200f\u061c\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(out)


def test_terminal_escapes_are_shown_as_their_bytes() -> None:
    assert terminal("a\x1b[2Jb\n") == r"a\x1b[2Jb\x0a"
    assert terminal("\u202egnp") == r"\xe2\x80\xaegnp"
    assert terminal("\ud800") == r"\xed\xa0\x80"
    assert terminal("family 👨\u200d👩\u200d👧 ملف.wav") == "family 👨\u200d👩\u200d👧 ملف.wav"


def test_a_lone_backslash_is_not_an_escape() -> None:
    assert parse(r"a\b.wav") == r"a\b.wav"
    assert parse(r"\xzz") == r"\xzz"
    assert parse(r"\x41\\") == "A\\"
    assert parse(r"a\x00") == r"a\x00"


def test_bad_hexadecimal_is_refused() -> None:
    with pytest.raises(ValueError, match="hex"):
        parse("x", "zz")


@pytest.mark.parametrize(("one", "other"), [
    ("Interview.WAV", "interview.wav"), ("STRASSE", "straße"), ("A\u0308", "ä"), ("Σίσυφος", "σίσυφοσ"),
    ("\udcff.WAV", "\udcff.wav"),
])
def test_case_and_the_form_of_accents_do_not_count(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(raw_names)
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    assert fold(name).count("/") == name.count("/")


@given(st.text() | raw_names)
def test_json_is_printable_utf8_and_loses_nothing(text: str) -> None:
    out = dumps({"a": text})
    out.encode()
    assert terminal(out) == out
    assert json.loads(out) == {"a": text}


def test_json_of_numbers_that_are_none_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        dumps(float("nan"))
