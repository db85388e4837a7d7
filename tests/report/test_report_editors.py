"""What editors are told: each reason in words of their own, for one recording and for many."""

from __future__ import annotations

import re

import pytest

from diffio_watch import editors
from diffio_watch.job import Because, State
from diffio_watch.reasons import REASONS, Kind

# words of the machine room, and what looks like a command or a job's id
_NOT_THEIRS = re.compile(
    r"[`{}<>*]|diffio|--|\b(?:project|generation|halt|journal|daemon|json|api|inbox|outbox|retry|sidecar)s?\b"
    r"|[0-9A-HJKMNP-TV-Z]{16}", re.IGNORECASE)


@pytest.mark.parametrize("code", sorted(REASONS))
@pytest.mark.parametrize("count", [1, 2, 5000])
def test_each_reason_is_told_in_words_of_an_editor(code: str, count: int) -> None:
    assert code in editors.CODES
    words = editors.words(Because(code, "", ""), count, "podcasts")
    for sentence in (words.message, words.action):
        assert sentence[0].isupper() or sentence[0] in "“25"
        assert sentence.endswith(".")
        assert not _NOT_THEIRS.search(sentence), sentence
        assert "1 recordings" not in sentence


def test_no_words_are_left_of_a_reason_that_is_no_more() -> None:
    assert set(REASONS) == editors.CODES


def test_a_number_of_recordings_is_told_of_all_that_are_of_files() -> None:
    ours = {Kind.FAILED, Kind.HELD, Kind.PARKED}
    for code in (code for code, row in REASONS.items() if row.kind in ours):
        assert editors.words(Because(code, "", ""), 812).message.startswith("812 recordings "), code


def test_the_stops_say_what_stands_still_and_that_it_is_nobodys_loss() -> None:
    billing = editors.words(Because("billing", "", ""))
    assert f"{billing.message} {billing.action}" == (
        "Restoring stands still: the service has a billing hold. Your administrator has to settle it. Nothing is lost.")
    away = editors.words(Because("unavailable", "", ""), 1, "podcasts")
    assert f"{away.message} {away.action}" == (
        "The share “podcasts” is not there. It goes on by itself when it is back.")


def test_a_reason_that_this_version_never_heard_of_is_told_all_the_same() -> None:
    for one in (None, Because("new_in_1_0", "x", "y")):
        assert editors.words(one).message == "This recording was not restored."


def test_each_state_has_its_step() -> None:
    assert set(editors.STEPS) == set(State)
