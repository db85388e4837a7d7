"""An error file begins with what an editor understands and can do: no commands, no words of the machine room."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from outbox_studio import Studio

from diffio_watch import editors
from diffio_watch.job import State
from diffio_watch.outbox.names import DROP_FILE
from diffio_watch.reasons import because


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_the_words_stand_first_and_the_fields_of_a_sidecar_after_them(studio: Studio) -> None:
    job = studio.job(state=State.FAILED, because=because("empty", job="x"))
    studio.outbox().write_error(job)
    told = json.loads(studio.files()["show 12/interview.wav.error.json"])
    assert list(told)[:3] == ["what_happened", "what_you_can_do", "schema"]
    words = editors.words(job.because)
    assert (told["what_happened"], told["what_you_can_do"]) == (words.message, words.action)
    assert told["because"]["code"] == "empty"


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
