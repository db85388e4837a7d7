from __future__ import annotations

import pytest

from diffio_watch.config import yaml12


def value(text: str) -> object:
    document = yaml12.read(f"a: {text}\n".encode())
    assert document.faults == []
    return document.data["a"]


def fault(text: str | bytes) -> yaml12.Fault:
    faults = yaml12.read(text if isinstance(text, bytes) else text.encode()).faults
    assert len(faults) == 1
    return faults[0]


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "No", "y", "True", "FALSE", "Null", "~", "0o17", "0x1F", "0b1", "1:30", "190:20:30",
     "2026-01-01", "1_000", ".inf", ".nan", "=", "1e", "+", ".", "1.2.3", '"true"', "'5'", '""'],
)  # fmt: skip
def test_only_true_false_null_and_decimal_numbers_are_not_strings(text: str) -> None:
    assert value(text) == text.strip("\"'")


@pytest.mark.parametrize(
    ("text", "read"),
    [("true", True), ("false", False), ("null", None), ("", None), ("0664", 664), ("-7", -7), ("+7", 7), ("1.5", 1.5),
     (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-2", -0.015), ('"\\ud83d\\ude00"', "\U0001f600")],
)  # fmt: skip
def test_those_are_what_they_say(text: str, read: object) -> None:
    assert value(text) == read
    assert type(value(text)) is type(read)


def test_each_key_and_item_has_its_line() -> None:
    document = yaml12.read(b"# a comment\na:\n  - b: 1\n    c:\n      2\n  - 3\n")
    assert document.lines == {(): 2, ("a",): 2, ("a", 0): 3, ("a", 0, "b"): 3, ("a", 0, "c"): 4, ("a", 1): 6}


def test_a_byte_order_mark_and_crlf_are_no_matter() -> None:
    assert yaml12.read(b"\xef\xbb\xbfa: 1\r\nb: x\r\n").data == {"a": 1, "b": "x"}


def test_a_key_stands_once() -> None:
    found = fault("a:\n  b: 1\n  b: 2\n")
    assert found.location == ("a", "b")
    assert found.line == 3
    assert "the first is in line 2" in found.wrong.message


def test_all_faults_are_found_beside_what_could_be_read() -> None:
    document = yaml12.read(b"a: 1\na: 2\n3: x\nb: !!set {}\nc: 4\n")
    assert [found.line for found in document.faults] == [2, 3, 4]
    assert document.data == {"a": 1, "b": None, "c": 4}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\n5: x\n", 2, "A key is a string"),
        ("true: x\n", 1, "A key is a string"),
        ("? [a]\n: x\n", 1, "A key is a string"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "`<<` merges nothing"),
        ("a:\n\tb: 1\n", 2, "A tab stands"),
        ("a: 1\n b: 2\n", 2, "A colon stands where no key can be"),
        ("a: b: c\n", 1, "A colon stands where no key can be"),
        ("a: 1\nb\nc: 1\n", 2, "key without its colon"),
        ("a:\n  - b: 1\n    c:/tmp\n    d: 1\n", 3, "key without its colon and a space"),
        ("a:/tmp\n\nb: 1\n", 1, "key without its colon and a space"),
        ("a:\n  - b:x\n    c: 1\n", 2, "key without its colon and a space"),
        ("a:\n  - b: 1\n    c:/tmp\n", 3, "key without its colon and a space"),
        ("a: 1\nb: 'x\nc: 1\n", 2, "never closed"),
        ("a:\n  - *.wav\n", 2, "begins with `*`"),
        ("a: `x`\n", 1, "a sign that YAML keeps for itself"),
        ("a: 1\n---\nb: 1\n", 2, "A second document"),
        ("a: *x\n", 1, "no anchor"),
        ("a: &x [*x]\n", 1, "have no end"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "The tag"),
        ("a: 1\nb: 1e999\n", 2, "too large"),
        ("a: " + "9" * 5000, 1, "too large"),
        ('a: "\\ud800"\n', 1, "half of a character"),
        ('a: "\\Uffffffff"\n', None, "names no character"),
        ("a: 1\nb: \x07\n", 2, "A control character"),
        (b"a: 1\nb: \xe4\n", 2, "not UTF-8"),
        (b"a: " + b"x" * yaml12.MOST_BYTES, None, "larger than 256 KiB"),
        ("[" * 100_000, 1, "more than 40 deep"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(text: str | bytes, line: int | None, message: str) -> None:
    found = fault(text)
    assert message in found.wrong.message
    assert found.line == line
    assert found.wrong.remedy.endswith((".", "?"))


def test_aliases_serve_within_bounds() -> None:
    assert yaml12.read(b"a: &x [1, 2]\nb: *x\n").data == {"a": [1, 2], "b": [1, 2]}
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert "have no end" in fault(laughs).wrong.message


@pytest.mark.parametrize("path", ["Z:\\users\\anna", "C:\\Users", "D:\\x", "\\\\nas\\studio", "\\\\nas\\users"])
def test_a_path_of_windows_in_double_quotes_is_answered_as_one(path: str) -> None:
    """`\\u` and `\\x` begin an escape that lacks its digits, `\\s` is none."""
    told = fault(f'a: "{path}"\n')
    assert "backslash" in told.wrong.message
    assert "Mount it" in told.wrong.remedy
