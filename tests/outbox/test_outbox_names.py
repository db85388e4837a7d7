"""The names of a job's files: one number for all, one name of at most 255 bytes for each, all inside the outbox."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbox_studio import Studio

from diffio_watch.disk.names import fold
from diffio_watch.job import DownloadType, Form, Media, Output
from diffio_watch.outbox import names
from diffio_watch.outbox.names import (
    FORMS,
    error_path,
    is_ordinary,
    numbered,
    plan,
    sidecar_path,
    split,
    temp_name,
    temp_owner,
)

ALL: Final[dict[DownloadType, str | None]] = {
    "audio": "audio/mpeg", "video": "video/mp4", "transcript": "application/json"}


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_names_of_the_first_and_of_a_later_number(studio: Studio) -> None:
    job = studio.job("show 12/interview.wav")
    first = plan(job, {"audio": "audio/mpeg", "video": "video/mp4", "transcript": None}, 1)
    assert first.paths == {"audio": "show 12/interview.restored.mp3", "video": "show 12/interview.restored.mp4",
                           "transcript": "show 12/interview.transcript.json"}
    assert first.sidecar == "show 12/interview.wav.json"
    third = plan(job, {"audio": "audio/mpeg", "video": "video/mp4", "transcript": None}, 3)
    assert third.paths == {"audio": "show 12/interview.restored (3).mp3", "video": "show 12/interview.restored (3).mp4",
                           "transcript": "show 12/interview.transcript (3).json"}
    assert third.sidecar == "show 12/interview.wav (3).json"
    assert error_path(job.path) == "show 12/interview.wav.error.json"
    assert third.keys == tuple(path.lower() for path in (*third.paths.values(), third.sidecar))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["interview.transcript", "show/INTERVIEW.Transcript", f"{'a' * 300}.transcript"])
def test_no_two_names_of_a_job_are_one_whatever_its_original_is_called(studio: Studio, path: str, form: Form) -> None:
    """The transcript of `interview.transcript` would be called as its sidecar."""
    for number in (1, 2):
        keys = plan(replace(studio.job(path), form=form), ALL, number).keys
        assert len(set(keys)) == len(ALL) + 1, keys


def test_a_file_at_the_top_has_its_names_at_the_top(studio: Studio) -> None:
    assert plan(studio.job("a.wav"), {"audio": None}, 1).paths == {"audio": "a.restored.mp3"}


@pytest.mark.parametrize(("template", "name"), [
    ("{stem}.restored{ext}", "a.b.restored.mp3"),
    ("{date} {inbox} {model} {stem}{ext}", "2026-03-01 podcasts diffio-4.6-flash a.b.mp3"),
    ("{stem}", "a.b.mp3"),  # no extension asked for: it gets its own all the same
    ("{stem}.wav", "a.b.wav.mp3"),
    ("{stem}{unknown}{ext}", "a.b{unknown}.mp3"),
    ("../../{stem}{ext}", "_.._.._a.b.mp3"),
    ("/etc/{stem}{ext}", "_etc_a.b.mp3"),
    ("{ext}", "_.mp3"),
    (".diffio-watch", "_.diffio-watch.mp3"),
    ("..", "_...mp3"),
    ("{stem.__class__}{stem!r}{ext}", "{stem.__class__}{stem!r}.mp3"),
])
def test_a_template_makes_one_visible_name_and_never_a_path(studio: Studio, template: str, name: str) -> None:
    noon = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))
    job = studio.job("x/a.b.wav", settings={"output_name": template}, detected_at=noon)
    assert plan(job, {"audio": "audio/mpeg"}, 1).paths == {"audio": f"x/{name}"}


def test_a_model_can_not_lead_elsewhere(studio: Studio) -> None:
    job = studio.job("a.wav", settings={"model": "../../etc", "output_name": "{model}{ext}"})
    assert plan(job, {"audio": None}, 1).paths == {"audio": "_.._.._etc.mp3"}


def test_braces_in_a_name_are_not_fields(studio: Studio) -> None:
    assert plan(studio.job("{model}.wav"), {"audio": None}, 1).paths == {"audio": "{model}.restored.mp3"}


def test_audio_and_video_of_one_media_type_get_different_names(studio: Studio) -> None:
    paths = plan(studio.job("a.mp4"), {"audio": "video/mp4", "video": "video/mp4"}, 2).paths
    assert paths == {"audio": "a.restored (2).mp4", "video": "a.restored (2).video.mp4"}


def test_what_was_fetched_tells_its_extension_where_the_service_does_not(studio: Studio) -> None:
    known = Output("audio", media=Media("FLAC", 1.0, has_video=False))
    job = studio.job("a.wav", outputs=(known,))
    assert plan(job, {"audio": "application/octet-stream"}, 1).paths == {"audio": "a.restored.flac"}


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "../a.wav", "a/../../b.wav", "a//b.wav", "./a.wav", "a/",
                                  "a/./b.wav", "a\0b.wav"])
def test_paths_that_no_inbox_has_are_refused(path: str) -> None:
    for of in (split, sidecar_path, error_path):
        with pytest.raises(ValueError, match="no path within an inbox"):
            of(path)


def test_a_long_name_loses_the_end_of_its_stem_for_a_hash_of_the_whole(studio: Studio) -> None:
    source = "ä" * 125 + ".wav"  # 254 bytes
    job = studio.job(f"show/{source}")
    got = plan(job, {"audio": "audio/mpeg"}, 1)
    assert got.sidecar.startswith("show/" + "ä" * 120)
    assert got.sidecar.endswith(".json")
    name = got.sidecar.removeprefix("show/")
    assert len(os.fsencode(name)) in {254, 255}  # a whole character less, where half of one would fit
    assert name[-14] == "~"
    other = plan(studio.job(f"show/{'ä' * 124}ö.wav"), {"audio": "audio/mpeg"}, 1)
    assert other.sidecar != got.sidecar
    assert plan(job, {"audio": "audio/mpeg"}, 2).sidecar.endswith(" (2).json")


odd = st.binary(min_size=1, max_size=300).map(os.fsdecode)


@given(st.lists(odd, min_size=1, max_size=3), st.integers(1, 10**6), odd)
def test_every_name_fits_and_stays_inside_its_mirrored_folder(parts: list[str], number: int, template: str) -> None:
    path = "/".join(parts)
    try:
        folder, _ = split(path)
    except ValueError:
        return
    job = Studio.job(None, path, settings={"output_name": template})  # type: ignore[arg-type]  # uses no folder
    got = plan(job, {"audio": "audio/mpeg", "video": None, "transcript": None}, number)
    assert len(set(got.keys)) == 4
    for made in (*got.paths.values(), got.sidecar, error_path(path)):
        *folders, name = made.split("/")
        assert "/".join(folders) == folder
        assert not {name, *folders} & {"", ".", ".."}
        assert "\0" not in made
        assert all(len(os.fsencode(part)) <= 255 for part in (name, *folders))
        assert os.fsdecode(os.fsencode(made)) == made


@given(st.lists(st.binary(min_size=1, max_size=255).map(os.fsdecode), min_size=1, max_size=3), st.integers(1, 10**6))
def test_an_escaped_name_has_nothing_that_fat_refuses_and_a_short_one_is_plain_ascii(
    parts: list[str], number: int,
) -> None:
    path = "/".join(parts)
    try:
        split(path)
    except ValueError:
        return
    for made in (sidecar_path(path, number, "escaped"), error_path(path, "escaped")):
        assert not set(made) & set('<>:"|?*\\\x00\x1f')
        assert all(part.isprintable() or not part.isascii() for part in made)
        assert not any(part.endswith((".", " ")) for part in made.split("/"))
    for made in (sidecar_path(path, number, "short"), error_path(path, "short")):
        assert all(part.isascii() and len(part) <= 100 for part in made.split("/"))


@pytest.mark.parametrize("name", ["con.wav", "NUL", "com1.x.wav", "Aux.MP3"])
def test_no_escaped_name_is_that_of_a_device(name: str) -> None:
    assert sidecar_path(name, 1, "escaped") == f"_{name}.json"
    assert not is_ordinary(f"{name}.json")


def test_different_names_stay_different_when_they_are_shortened() -> None:
    assert sidecar_path("テイク.wav", 1, "short") != sidecar_path("インク.wav", 1, "short")
    assert sidecar_path("take 1.wav", 1, "short") == "take 1.wav.json"


def test_the_archive_numbers_before_the_extension() -> None:
    assert numbered("take.wav", 1) == "take.wav"
    assert numbered("take.wav", 2) == "take (2).wav"
    assert numbered("take", 2) == "take (2)"
    assert numbered(".wav", 2) == ".wav (2)"


def test_temporary_names_are_hidden_carry_the_job_and_are_known_again(studio: Studio) -> None:
    job = studio.job()
    name = temp_name(job.id, "audio")
    assert name == f".diffio-watch-{job.id}-audio.part"
    assert temp_owner(name) == job.id
    for other in (".diffio-watch", ".diffio-watch-x.part", f"{name}x", name[1:], ".diffio-watch--audio.part",
                  f".diffio-watch-{job.id}-cover.part"):
        assert temp_owner(other) is None
    with pytest.raises(ValueError, match="no id of a job"):
        temp_name("../x", "audio")


def test_an_existing_name_counts_whatever_its_case_or_accents(studio: Studio) -> None:
    outbox = studio.outbox()
    job = studio.job("show/Ärger.wav")
    (studio.root / "show").mkdir()
    (studio.root / "show" / "A\u0308RGER.RESTORED.MP3").touch()
    (studio.root / "show" / "ärger.WAV (2).json").symlink_to("nowhere")
    reserved = {fold("show/Ärger.transcript (3).json")}
    got = outbox.number_for(job, {"audio": "audio/mpeg", "transcript": None}, reserved.__contains__)
    assert got.number == 4
    assert got.paths["audio"] == "show/Ärger.restored (4).mp3"
    assert outbox.number_for(job, {"audio": "audio/mpeg"}, lambda _: False).number == 3
    assert outbox.number_for(job, {}, lambda _: False).number == 1  # a skipped file has a sidecar only


def test_a_folder_of_the_name_counts_too(studio: Studio) -> None:
    (studio.root / "a.restored.mp3").mkdir()
    assert studio.outbox().number_for(studio.job("a.wav"), {"audio": None}, lambda _: False).number == 2


def test_the_longest_name_is_what_filesystems_take(studio: Studio) -> None:
    assert os.pathconf(studio.root, "PC_NAME_MAX") == names.LONGEST
