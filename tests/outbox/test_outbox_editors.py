"""An error file begins with what an editor understands and can do: no commands, no words of the machine room."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from outbox_studio import Studio

from diffio_watch.job import State
from diffio_watch.outbox import editor_words
from diffio_watch.outbox.names import DROP_FILE
from diffio_watch.reasons import REASONS, Kind, because

TOLD = sorted(code for code, reason in REASONS.items() if reason.kind in {Kind.FAILED, Kind.HELD})


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.mark.parametrize("code", [*TOLD, "unreadable", "in_use"])
def test_each_reason_is_told_in_words_of_its_own_without_a_command(code: str) -> None:
    assert code in editor_words._WORDS
    for sentence in editor_words.words(because(code)):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not re.search(r"[`{}]|diffio|--|json|journal|generation|API", sentence), sentence


def test_the_words_stand_first_and_the_fields_of_a_sidecar_after_them(studio: Studio) -> None:
    job = studio.job(state=State.FAILED, because=because("empty", job="x"))
    studio.outbox().write_error(job)
    told = json.loads(studio.files()["show 12/interview.wav.error.json"])
    assert list(told)[:3] == ["what_happened", "what_you_can_do", "schema"]
    assert (told["what_happened"], told["what_you_can_do"]) == editor_words.words(job.because)
    assert told["because"]["code"] == "empty"


def test_a_reason_that_this_version_never_heard_of_is_told_all_the_same() -> None:
    assert all(editor_words.words(None))


def test_a_drop_has_one_file_at_the_root_and_nobody_elses_is_touched(studio: Studio) -> None:
    outbox = studio.outbox()
    job = studio.job(state=State.HELD, because=because("drop_size", limit=2, inbox="podcasts"))
    for files in (3, 2):
        assert outbox.write_drop(job, files)
        told = json.loads(studio.files()[DROP_FILE])
        assert told["what_happened"].startswith(f"{files} recordings wait")
    assert list(studio.files()) == [DROP_FILE]
    assert outbox.clear_drop()
    assert not outbox.clear_drop()
    (studio.root / DROP_FILE).write_text("mine")
    assert not outbox.write_drop(job, 3)
    assert not outbox.clear_drop()
    assert studio.files() == {DROP_FILE: b"mine"}
