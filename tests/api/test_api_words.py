from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffio_watch.api.sanitize import clean, code


@pytest.mark.parametrize(("said", "shown"), [
    ("plain words", "plain words"),
    ("two\nlines\r\n and\ttabs", "two lines and tabs"),
    ("\x1b[31mred\x1b[0m", "[31mred [0m"),
    ("left\u202eright\u200b", "left right"),
    ("see https://a.example/p?sig=canary#canary now", "see https://a.example/p?… now"),
    ("see https://canary:canary@a.example/p", "see https://a.example/p"),
    ("Authorization: Bearer canary_abc", "Authorization: Bearer …"),
    ("X-Goog-Signature=canary&x=1", "X-Goog-Signature=…&x=1"),
    ("uploadToken: canary", "uploadToken: …"),
    ("the key canary-key is bad", "the key … is bad"),
])
def test_words_lose_what_must_not_show(said: str, shown: str) -> None:
    assert clean(said, ("canary-key",)) == shown


@given(st.text(st.characters(codec=None), max_size=2000))
def test_cleaned_words_are_one_short_printable_line(said: str) -> None:
    shown = clean(said)
    assert len(shown) <= 300
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in shown)
    shown.encode()


@pytest.mark.parametrize("value", [None, 5, "", "a b", "x" * 65, "a\n", ["a"], "<b>"])
def test_a_code_is_a_short_word(value: object) -> None:
    assert code(value) is None
    assert code("model_retired") == "model_retired"
