"""The sidecar's shape is a promise; what it holds is read back without trust."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffio_watch import __version__
from diffio_watch.clock import from_rfc3339, rfc3339, rfc3339_ns
from diffio_watch.job import Because, Job, Media, Output, Settings, State, new_id
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.sidecar import NotASidecar, parse, render

SHA = "ab" * 32


def delivered(path: str = "show 12/interview.wav", **changes: Any) -> Job:
    settings = Settings(sampling={"seed": 1}, params={"tag": "x"}, outputs=("audio",))
    output = Output("audio", "published", "show 12/interview.restored.mp3", 1, SHA, "audio/mpeg",
                    Media("MPEG Audio", 61.2, has_video=False))
    job = Job(new_id(), "podcasts", path, 1, 1_700_000_000_123_456_789, settings, state=State.DELIVERED, sha256=SHA,
              media=Media("Wave", 61.2, has_video=False), attempts=1, base_url="https://api.diffio.ai/v1",
              project_id="p", idempotency_key="k", generation_id="g", model_key="m", outputs=(output,),
              detected_at=1.0, settled_at=2.0, uploaded_at=3.0, generated_at=4.0, completed_at=5.0, delivered_at=6.25)
    return replace(job, **changes)


def test_the_whole_shape() -> None:
    job = delivered()
    text = render(job).decode()
    assert json.loads(text) == {
        "schema": "diffio-watch/sidecar/1", "version": __version__, "job": job.id, "run": 1, "inbox": "podcasts",
        "state": "delivered", "because": None,
        "source": {"path": "show 12/interview.wav", "size": 1, "sha256": SHA,
                   "modified_at": "2023-11-14T22:13:20.123456789Z",
                   "media": {"format": "Wave", "duration_s": 61.2, "has_video": False}},
        "request": {"model": "diffio-4.6-flash", "sampling": {"seed": 1}, "params": {"tag": "x"},
                    "outputs": ["audio"], "idempotency_key": "k"},
        "service": {"base_url": "https://api.diffio.ai/v1", "project_id": "p", "generation_id": "g",
                    "model_key": "m", "idempotent_replay": False},
        "outputs": [{"type": "audio", "path": "show 12/interview.restored.mp3", "size": 1, "sha256": SHA,
                     "mime_type": "audio/mpeg", "media": {"format": "MPEG Audio", "duration_s": 61.2}}],
        "notes": [], "attempts": 1,
        "times": {"detected_at": "1970-01-01T00:00:01Z", "settled_at": "1970-01-01T00:00:02Z",
                  "uploaded_at": "1970-01-01T00:00:03Z", "generated_at": "1970-01-01T00:00:04Z",
                  "completed_at": "1970-01-01T00:00:05Z", "delivered_at": "1970-01-01T00:00:06.250Z"},
    }
    assert list(json.loads(text)) == ["schema", "version", "job", "run", "inbox", "state", "because", "source",
                                      "request", "service", "outputs", "notes", "attempts", "times"]
    assert list(json.loads(text)["outputs"][0]) == ["type", "path", "size", "sha256", "mime_type", "media"]
    assert text.startswith('{\n  "schema"')
    assert text.endswith("}\n")


def test_the_published_schema_is_the_models_and_every_sidecar_keeps_to_it() -> None:
    text = importlib.resources.files("diffio_watch.outbox").joinpath("sidecar.schema.json").read_text()
    schema = json.loads(text)
    assert schema == sidecar.json_schema()
    check = jsonschema.Draft202012Validator(schema)
    for data in (render(delivered()), render(delivered("\udcff.wav")),
                 render(delivered(state=State.SKIPPED, outputs=()), delivered("a.wav")),
                 render(Job(new_id(), "p", "a.wav", 0, 0, Settings(), state=State.FAILED,
                            because=Because("empty", "It is empty.", "Copy it again.")))):
        check.validate(json.loads(data))
    with pytest.raises(jsonschema.ValidationError):
        check.validate(json.loads(render(delivered())) | {"state": "eaten"})


def test_a_name_that_is_no_utf8_has_its_bytes_beside_it_and_others_do_not() -> None:
    source = json.loads(render(delivered("a\udcff\\.wav")))["source"]
    assert (source["path"], source["path_hex"]) == ("a\\xff\\\\.wav", b"a\xff\\.wav".hex())
    assert parse(render(delivered("a\udcff\\.wav"))).source.name == "a\udcff\\.wav"
    assert "path_hex" not in json.loads(render(delivered("a\\.wav")))["source"]


def test_a_skipped_file_points_to_the_earlier_one_and_only_it_does() -> None:
    earlier = delivered("old\udcff.wav")
    got = json.loads(render(delivered(state=State.SKIPPED, outputs=()), earlier))
    assert got["duplicate_of"] == {
        "job": earlier.id, "path": "old\\xff.wav", "path_hex": b"old\xff.wav".hex(),
        "outputs": [{"type": "audio", "path": "show 12/interview.restored.mp3"}]}
    other = json.loads(render(delivered(state=State.SKIPPED, outputs=()), replace(earlier, inbox="another")))
    assert other["duplicate_of"]["inbox"] == "another"
    assert got["outputs"] == []
    assert "duplicate_of" not in json.loads(render(delivered()))


def test_only_published_outputs_stand_in_it() -> None:
    lost = Output("video", "unavailable", note="none")
    told = json.loads(render(delivered(outputs=(*delivered().outputs, lost))))
    assert [output["type"] for output in told["outputs"]] == ["audio"]


@pytest.mark.parametrize("words", ["\ud800 half", "</script>\x1b[2J\u202e", '{"a": 1}', "\0", "x" * 5000])
def test_hostile_words_are_strings_and_nothing_else(words: str) -> None:
    job = delivered(model_key=words, generation_id=words, notes=(words,), because=Because("internal", words, words),
                    media=Media(words, 1.0, has_video=False))
    data = render(job)
    assert b"\x1b" not in data
    assert "\u202e" not in data.decode()
    found = parse(data)
    assert found.service.generation_id == words.replace("\ud800", "\\ud800")
    assert found.job == job.id


@given(st.dictionaries(st.text() | st.integers(), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=8), max_size=4))
def test_whatever_a_configuration_holds_can_be_told(sampling: dict[Any, Any]) -> None:
    job = delivered()
    found = parse(render(replace(job, settings=replace(job.settings, sampling=sampling))))
    assert len(found.request.sampling) <= len(sampling)


@pytest.mark.parametrize("data", [
    b"", b"null", b"[]", b"{}", b"\xff\xfe", b"{" * 100_000, b'{"schema": "diffio-watch/sidecar/1"}',
    b" " * (1 << 20 | 1),
])
def test_what_is_no_sidecar_is_told_apart(data: bytes) -> None:
    with pytest.raises(NotASidecar):
        parse(data)


@pytest.mark.parametrize(("where", "value"), [
    (("job",), "../../x"), (("job",), 1), (("schema",), "diffio-watch/sidecar/2"), (("run",), 0), (("state",), "eaten"),
    (("source", "path"), "../x"), (("source", "path"), "/etc/passwd"), (("source", "path"), "a//b"),
    (("source", "path"), ""), (("source", "path_hex"), "2e2e2f78"), (("source", "path_hex"), "zz"),
    (("source", "size"), -1), (("source", "sha256"), "AB"), (("source", "modified_at"), "yesterday"),
    (("outputs",), [{}]), (("times",), None), (("notes",), [1]),
])
def test_a_sidecar_that_somebody_bent_is_refused(where: tuple[str, ...], value: object) -> None:
    told = json.loads(render(delivered()))
    inner = told
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    with pytest.raises(NotASidecar):
        parse(json.dumps(told).encode())


def test_fields_of_a_later_version_are_passed_over() -> None:
    told = json.loads(render(delivered()))
    told["mood"] = told["source"]["mood"] = "good"
    assert parse(json.dumps(told).encode()).state is State.DELIVERED


@given(st.integers(-62_135_596_800_000_000_000, 253_402_300_799_999_999_999))
def test_times_are_exact_to_the_nanosecond(nanoseconds: int) -> None:
    told = rfc3339_ns(nanoseconds)
    assert told is not None
    assert from_rfc3339(told) == nanoseconds


@pytest.mark.parametrize(("seconds", "told"), [
    (None, None), (0.0, "1970-01-01T00:00:00Z"), (1.2345, "1970-01-01T00:00:01.234Z"), (-1.0, "1969-12-31T23:59:59Z"),
    (1e20, None), (float("nan"), None), (float("inf"), None),
])
def test_times_no_calendar_has_are_none(seconds: float | None, told: str | None) -> None:
    assert rfc3339(seconds) == told


@pytest.mark.parametrize("path", ["../stolen.mp3", "/etc/passwd", "a//b", "", "a/../../b"])
@pytest.mark.parametrize("field", ["source", "outputs", "duplicate_of"])
def test_no_path_in_a_sidecar_leads_out_of_its_folder(field: str, path: str) -> None:
    told = sidecar.build(delivered(), delivered("a.wav"))
    parse(json.dumps(told).encode())
    place = told["outputs"][0] if field == "outputs" else told[field]
    place["path"] = path
    with pytest.raises(NotASidecar):
        parse(json.dumps(told).encode())
