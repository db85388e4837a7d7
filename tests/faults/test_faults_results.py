"""What was paid for is delivered, also where nobody here can read it or nobody told its length.

It is compared with itself then: the same bytes twice are what was bought.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from folders import use
from pipeline_house import DAY, House
from sounds import sound

from diffio_watch.disk import marker
from diffio_watch.job import Media, State
from diffio_watch.media import mediainfo
from diffio_watch.outbox import ledger
from diffio_watch.outbox.errors import OutboxGone
from diffio_watch.report.missing import missing
from diffio_watch.sandbox import Sandbox

NOISE = bytes(range(1, 256)) * 8
TEXT = b"Not a sound in this one, only words, and a person wanted it sent all the same.\n" * 30


def told(house: House, path: str = "talk.wav.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((house.outbox() / path).read_bytes())
    return found


def downloads(house: House) -> int:
    return house.calls()["download"]


@pytest.mark.parametrize("content", [NOISE, TEXT, b"RIFF\0\0\0\0WAVE", b"\0" * 5000], ids=range(4))
def test_a_result_that_mediainfo_cant_read_is_fetched_twice_and_delivered_with_a_note(
    house: House, content: bytes,
) -> None:
    """So ends `retry --as-is` of a text file too: the service gave what it gave."""
    job_id = house.drop("talk.wav", content)
    house.finish(within=60)
    house.check_delivered(job_id)
    assert (downloads(house), house.calls()["link"]) == (2, 2), "by a new link"
    (note,) = told(house)["notes"]
    assert note == "MediaInfo finds neither sound nor picture in the audio; the service gave the same twice."


def test_a_result_that_cant_be_read_the_first_time_only_is_delivered_without_a_note(
    house: House, service: Sandbox,
) -> None:
    service.fault("download", "status", status=200, body=NOISE, headers={"Content-Type": "audio/x-wav"}, first=1)
    job_id = house.drop("talk.wav")
    house.finish(within=60)
    house.check_delivered(job_id)
    assert [note for note in told(house)["notes"] if "MediaInfo" in note] == []


def test_what_comes_in_another_form_each_time_ends_in_words_and_is_had_later(house: House, service: Sandbox) -> None:
    service.fault("download", "swap")
    job_id = house.drop("talk.wav", NOISE)
    house.run(DAY)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "output_unavailable")
    assert "another form each time" in (job.because.message if job.because else "")
    assert downloads(house) <= 12
    service.calm()
    house.ask("retry", jobs=[job_id])
    house.finish()
    assert house.job(job_id).state is State.DELIVERED
    assert service.charges == 1


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/xml", "image/svg+xml"])
def test_media_under_a_pages_type_is_delivered_with_a_note(house: House, service: Sandbox, kind: str) -> None:
    service.change(mime_types={"audio": kind})
    service.fault("link", "fields", fields={"mimeType": "audio/x-wav"})
    job_id = house.drop("talk.wav")
    house.finish(within=60)
    house.check_delivered(job_id)
    assert told(house)["notes"] == [f"The audio was announced as audio/x-wav and came as {kind}."]


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_what_is_no_media_and_says_so_never_appears(house: House, service: Sandbox, kind: str) -> None:
    """A proxy's words are not what was bought, however often they come."""
    service.fault("download", "status", status=200, body="please log in first", headers={"Content-Type": kind})
    job_id = house.drop("talk.wav")
    house.run(DAY)
    assert house.visible() == set()
    assert house.job(job_id).state is State.FAILED
    service.calm()
    house.ask("retry", jobs=[job_id])
    house.finish()
    house.check_delivered(job_id)


def test_a_result_whose_length_nobody_told_is_compared_with_itself(house: House, service: Sandbox) -> None:
    wav = sound("talk", 0.5)
    service.fault("download", "unsized")
    job_id = house.drop("talk.wav", wav)
    house.finish(within=60)
    house.check_delivered(job_id)
    assert downloads(house) == 2
    assert told(house)["notes"] == ["The storage did not tell how long the audio is; the service gave the same twice."]


def test_a_cut_that_nobody_could_see_is_seen_by_comparing(house: House, service: Sandbox) -> None:
    service.fault("download", "unsized")
    service.fault("download", "truncate", at=9000, nth=1)
    job_id = house.drop("talk.wav", sound("talk", 4))
    house.finish(within=600)
    house.check_delivered(job_id)
    assert downloads(house) == 3


def test_a_result_that_came_packed_is_delivered_unpacked(house: House, service: Sandbox) -> None:
    service.fault("download", "gzip")
    job_id = house.drop("talk.wav", sound("talk"))
    house.finish(within=60)
    house.check_delivered(job_id)
    assert (downloads(house), told(house)["notes"]) == (1, [])


def test_the_first_look_is_remembered_over_a_restart(house: House, service: Sandbox) -> None:
    job_id = house.drop("talk.wav", NOISE)
    service.fault("download", "status", status=503, nth=2)
    service.fault("download", "status", status=503, nth=3)
    house.run(5)
    assert house.job(job_id).outputs[0].sha256 is not None
    house.restart()
    house.finish()
    house.check_delivered(job_id)
    assert downloads(house) == 4


def test_a_result_over_which_mediainfo_breaks_down_is_delivered(
    house: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crash takes the process along, and what is fetched again is another file: the crumb has the job's name."""
    monkeypatch.setattr(mediainfo, "_crumbs", None)
    mediainfo.remember_in(house.base / "crumbs")
    job_id = house.drop("talk.wav")
    (house.base / "crumbs" / f"{job_id}-audio").write_bytes(b"...")
    house.finish(within=60)
    house.check_delivered(job_id)
    (note,) = told(house)["notes"]
    assert note.startswith("Whether the audio plays is not known: MediaInfo")
    assert downloads(house) == 2


def test_a_transcript_of_absurd_depth_is_none_and_the_audio_comes(house: House, service: Sandbox) -> None:
    service.fault("download", "status", status=200, body="[" * 200_000, where="/transcript/")
    job_id = house.drop("talk.wav", settings={"outputs": ("audio", "transcript")})
    house.finish()
    house.check_delivered(job_id)
    assert [note[:13] for note in told(house)["notes"]] == ["No transcript"]


def test_packed_answers_of_every_call_are_understood(house: House, service: Sandbox) -> None:
    for call in ("create_project", "start", "part", "complete", "complete_project_upload", "generate", "progress",
                 "link"):
        service.fault(call, "gzip")
    job_id = house.drop("talk.wav")
    house.finish(within=60)
    house.check_delivered(job_id)


def _rate_limited(house: House, service: Sandbox, call: str, job_id: str) -> None:
    """Parked more often than anything is tried that ends in words."""
    service.fault(call, "status", status=429)
    while house.job(job_id).parks <= 8:
        house.run(30)
    service.calm()


def _away(house: House, service: Sandbox, job_id: str) -> None:
    """A share that restarts is looked at every 15 seconds."""
    def gone() -> None:
        raise OutboxGone("outbox", "it is away")

    service.fault("link", "status", status=429)
    house.run(60)
    service.calm()
    house.outbox_check = gone
    while house.job(job_id).parks <= 8:
        house.run(30)
    house.outbox_check = lambda: None


@pytest.mark.parametrize("wait", ["a day's limit of requests", "an outbox that was away"])
def test_what_a_job_waited_for_is_no_try_to_fetch_what_it_has_paid_for(
        house: House, service: Sandbox, wait: str) -> None:
    """Or one expired link after it, which is ordinary, would be the end of it."""
    job_id = house.drop("talk.wav")
    if wait.startswith("an outbox"):
        _away(house, service, job_id)
    else:
        _rate_limited(house, service, "link", job_id)
    assert house.job(job_id).state is State.DOWNLOADING
    service.fault("download", "expired", times=1)
    house.finish(within=4 * 3600)
    house.check_delivered(job_id)


def test_an_original_is_not_deleted_for_half_of_its_result(house: House, service: Sandbox) -> None:
    """Each output has tries of its own, whatever the job has waited for."""
    job_id = house.drop("talk.mp4", sound("talk"), media=Media("MPEG-4", 0.2, has_video=True),
                        settings={"outputs": ("audio", "video"), "originals": "delete"})
    _rate_limited(house, service, "link", job_id)
    service.fault("download", "expired", times=1)
    house.finish(within=4 * 3600)
    assert [output.state for output in house.job(job_id).outputs] == ["published", "published"]


def test_what_a_job_waited_for_is_no_answer_that_its_generation_is_unknown(house: House, service: Sandbox) -> None:
    service.change(seconds=7200)
    job_id = house.drop("talk.wav")
    house.run(5)
    _rate_limited(house, service, "progress", job_id)
    assert house.job(job_id).state is State.WAITING
    service.fault("progress", "status", status=404, times=2)
    house.finish(within=DAY)
    house.check_delivered(job_id)


def test_a_generation_that_stays_unknown_is_told_after_nine_answers(house: House, service: Sandbox) -> None:
    service.change(seconds=7200)
    job_id = house.drop("talk.wav")
    house.run(5)
    before = house.calls()["progress"]
    service.fault("progress", "status", status=404)
    house.run(DAY)
    job = house.job(job_id)
    assert (job.state, job.because and job.because.code) == (State.FAILED, "not_found")
    assert house.calls()["progress"] - before == 9


@pytest.mark.parametrize(("outputs", "late", "mime_type", "names"), [
    (("audio", "video"), "video", "video/quicktime", {"talk.restored.wav", "talk.restored.video.wav"}),
    (("audio", "video"), "video", None, {"talk.restored.wav", "talk.restored.video.wav"}),
    (("video", "audio"), "audio", "audio/wav", {"talk.restored.wav", "talk.restored.audio.wav"}),
    (("video", "audio"), "audio", "audio/flac", {"talk.restored.wav", "talk.restored.audio.wav"}),
    (("audio", "transcript"), "transcript", None, {"talk.restored.wav", "talk.transcript.json"}),
])
def test_what_comes_late_has_the_name_it_would_have_had_and_nothing_else_gets_another_one(
    house: House, service: Sandbox, outputs: tuple[str, ...], late: str, mime_type: str | None, names: set[str],
) -> None:
    """What kind of file it is, its content says, and names follow; nothing of an earlier delivery is left."""
    job_id = house.drop("talk.mp4", sound("talk"), media=Media("MPEG-4", 0.2, has_video=True),
                        settings={"outputs": outputs})
    service.change(mime_types={late: mime_type} if mime_type else {})
    service.fault("link", "status", status=404, where=f'"{late}"')
    house.run(DAY)
    before = house.visible()
    service.calm()
    use(house.journal, house.job(job_id).inbox, outbox=house.outbox())
    gone = missing(house.journal, house.tools.config, house.job(job_id))
    assert gone == [late]
    answer = house.ask("retry", jobs=[job_id], missing={job_id: gone})
    assert f"asks the service once more for what it did not have ({late}), without paying" in str(answer)
    downloaded = downloads(house)
    house.finish(within=3600)
    house.check()
    assert house.job(job_id).state is State.DELIVERED
    assert downloads(house) == downloaded + 1
    assert {one["type"] for one in told(house, "talk.mp4.json")["outputs"]} == set(outputs)
    assert {path.name for path in house.outbox().glob(".*")} == {ledger.NAME, marker.NAME}
    assert set(house.visible()) == names | {"talk.mp4.json"}
    assert set(before) < set(house.visible())
    assert service.charges == 1


@pytest.mark.parametrize("call", ["download", "link"])
def test_what_was_given_up_keeps_the_original_and_is_fetched_by_a_retry(
    house: House, service: Sandbox, call: str,
) -> None:
    """Without paying, whether or not it had a name already; then the original goes as it was to."""
    job_id = house.drop("talk.mp4", sound("talk"), media=Media("MPEG-4", 0.2, has_video=True),
                        settings={"outputs": ("audio", "video"), "originals": "delete"})
    if call == "download":
        service.fault(call, "expired", where="video")
    else:
        service.fault(call, "status", status=404, where='"video"')
    house.run(DAY)
    house.chores()
    job = house.job(job_id)
    assert (job.state, job.original) == (State.DELIVERED, "kept")
    assert [output.state for output in job.outputs] == ["published", "unavailable"]
    (sidecar,) = (name for name in house.visible() if name.endswith(".json"))
    assert "The original is not deleted, for not all that was asked for could be had." in told(house, sidecar)["notes"]
    assert [note for note in told(house, sidecar)["notes"] if note.startswith("No video: ") and ".." not in note]
    assert (house.inbox() / "talk.mp4").exists()
    use(house.journal, job.inbox, outbox=house.outbox())
    for _ in range(2):  # the first time in vain
        gone = missing(house.journal, house.tools.config, job)
        assert gone == ["video"]
        house.ask("retry", jobs=[job_id], missing={job_id: gone})
        house.finish(within=2 * DAY)
        house.chores()
        service.calm()
    house.chores()
    job = house.job(job_id)
    assert [output.state for output in job.outputs] == ["published", "published"]
    assert (job.original, service.charges) == ("deleted", 1)
    assert not (house.inbox() / "talk.mp4").exists()
    assert not [note for note in job.notes if "No video" in note or "not deleted" in note], "which is so no more"
    (sidecar,) = (name for name in house.visible() if name.endswith(".json"))
    assert {output["type"] for output in told(house, sidecar)["outputs"]} == {"audio", "video"}
