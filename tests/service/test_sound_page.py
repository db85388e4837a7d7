"""What the page hears of sound: measured after delivery, compared, previews on demand, or words."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tones
from service_page import Place, page, request
from service_sound import delivered, known, until

from diffio_watch.job import Job
from diffio_watch.service import files
from diffio_watch.service.sound import sides

pytest.importorskip("av")


def a_pair(place: Place, **facts: Any) -> Job:
    speech = list(tones.speech(10))
    return delivered(place, tones.write(place.inbox / "a.wav", speech),
                     tones.write(place.outbox / "a.restored.wav", [0] * (120 * 16) + [each // 8 for each in speech]),
                     **facts)


def test_both_sides_are_measured_and_compared_when_they_are_asked_for(place: Place) -> None:
    job = a_pair(place)
    found = known(place, job)
    one, other = found["sides"]["original"], found["sides"]["audio"]
    assert one["seconds"] == 10
    assert other["seconds"] == 10.12
    assert one["integrated"] - other["integrated"] == pytest.approx(18.06, abs=0.2)
    assert found["lag"]["ms"] == pytest.approx(120, abs=2)
    assert found["lag"]["words"] == "The restored one is 120 ms late; the player makes up for it."
    assert found["notes"] == ["The sound is 120 ms late against the original."]
    assert found["missing"] is None


def test_what_was_delivered_is_measured_without_being_asked_for(place: Place) -> None:
    job = a_pair(place)
    folder = place.root / "state" / "sound"
    end = time.monotonic() + 60
    while len(list(folder.glob("*.json")) if folder.exists() else []) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert place.get(f"/api/jobs/{job.id}/sound").json["lag"]["sure"]


def test_an_original_is_read_from_the_archive_once_it_went_there(place: Place) -> None:
    job = a_pair(place, original="archived")
    there = place.root / "archive" / "a (2).wav"
    (place.inbox / "a.wav").rename(there)
    (place.root / "archive" / "a.wav").write_bytes(b"another")
    assert place.get(f"/api/jobs/{job.id}/sound").json["sides"]["original"]["gone"] is None


@pytest.mark.parametrize(("do", "status", "words"), [
    (lambda path: path.unlink(), 410, "not where it was"),
    (lambda path: os.utime(tones.write(path, tones.speech(10, seed=2)), (1e9, 1e9)), 409, "changed"),
    (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), 404, "no ordinary file"),
])
def test_no_preview_outlives_its_original(place: Place, do: Callable[[Path], Any], status: int, words: str) -> None:
    """Changed or gone, it is told in words, whatever was made of it before."""
    job = a_pair(place)
    until(lambda: place.get(f"/api/jobs/{job.id}/original/preview"), lambda found: found.status == 200)
    do(place.inbox / "a.wav")
    answer = place.get(f"/api/jobs/{job.id}/original/preview")
    assert answer.status == status
    assert words in answer.error
    assert words in place.get(f"/api/jobs/{job.id}/sound").json["sides"]["original"]["gone"]


def test_a_preview_is_prepared_when_it_is_asked_for_and_told_with_seconds(place: Place) -> None:
    speech = tones.write(place.root / "s.wav", tones.speech(5))
    job = delivered(place, tones.encode(speech, place.inbox / "a.m4a", "alac", "ipod"),
                    tones.write(place.outbox / "a.restored.wav", tones.speech(5)))
    first = place.get(f"/api/jobs/{job.id}/original/preview")
    assert first.status == 202
    assert first.json["seconds"] >= 1
    assert first.json["words"].startswith("Preparing, about ")
    whole = until(lambda: place.get(f"/api/jobs/{job.id}/original/preview"), lambda found: found.status == 200)
    assert (whole.body[:4], whole.headers["content-type"]) == (b"fLaC", "audio/flac")
    part = place.get(f"/api/jobs/{job.id}/original/preview", {"Range": "bytes=0-3", "If-Range": whole.headers["etag"]})
    assert (part.status, part.body) == (206, b"fLaC")


def test_no_preview_is_made_where_the_journal_needs_the_room_and_the_reason_is_told(place: Place) -> None:
    """And once there is room it is made: it was none of the sound's fault."""
    assert place.web._sound is not None
    store = place.web._sound.listening.store
    job = a_pair(place)
    known(place, job)
    there, address = store._free, f"/api/jobs/{job.id}/original/preview"
    store._free = lambda _: store.spare
    assert place.get(address).status == 202
    refused = until(lambda: place.get(address), lambda found: found.status != 202)
    assert (refused.status, "too little room" in refused.error) == (503, True)
    assert not list(store.folder.glob("*.flac"))
    store._free = lambda _: store.spare + 200_000  # a file of ten seconds takes more than what is then its own
    place.web._sound.listening._later.clear()
    refused = until(lambda: place.get(address), lambda found: found.status != 202)
    assert (refused.status, "too little room" in refused.error) == (503, True)
    store._free = there
    place.web._sound.listening._later.clear()
    assert until(lambda: place.get(address), lambda found: found.status != 202).status == 200


def test_previews_count_among_the_recordings_that_are_sent_at_a_time_and_are_not_sent_to_who_does_not_read(
        place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_IDLE", 600.0)
    loud = [int(each) for each in random.Random(1).choices(range(-30000, 30000), k=16_000 * 60)]
    job = delivered(place, tones.write(place.inbox / "a.wav", loud),
                    tones.write(place.outbox / "a.restored.wav", [0] * 9))
    address = f"/api/jobs/{job.id}/original/preview"
    assert len(until(lambda: place.get(address), lambda found: found.status == 200).body) > 5_000_000
    with contextlib.ExitStack() as opened:
        wires = [opened.enter_context(socket.socket()) for _ in range(files.STREAMS)]
        for wire in wires:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(10)
            wire.connect(("127.0.0.1", place.port))
            wire.sendall(request("GET", address, {"Host": f"127.0.0.1:{place.port}"}))
            assert wire.recv(12) == b"HTTP/1.1 200"
        assert place.get(address, {"Range": "bytes=0-3"}).status == 503
        monkeypatch.setattr(files, "_IDLE", 0.0)
        assert place.get(address, {"Range": "bytes=0-3"}).status == 206  # an idle one went


def test_a_file_whose_decoder_crashed_twice_is_left_alone_with_a_note(place: Place) -> None:
    """The daemon's thread lives on, and the next file is measured."""
    assert place.web._sound is not None
    listening = place.web._sound.listening
    long = tones.silence(place.inbox / "a.wav", 0.5)  # it takes seconds
    job = delivered(place, long, tones.write(place.outbox / "a.restored.wav", tones.speech(5)))
    crashes = 0
    end = time.monotonic() + 60
    while not (note := place.get(f"/api/jobs/{job.id}/sound").json["sides"]["original"]["note"]) or crashes < 2:
        assert time.monotonic() < end
        doing, process = listening._doing, listening._runner._process
        if doing is not None and process is not None and doing[0].key == ("measure", job.id, "original"):
            os.kill(process.pid, signal.SIGSEGV)
            crashes += 1
            while listening._runner._process is process:
                time.sleep(0.01)
        time.sleep(0.02)
    assert note == "Its decoder crashed (SIGSEGV)."
    assert crashes == 2
    answer = place.get(f"/api/jobs/{job.id}/sound").json["sides"]
    assert answer["original"]["wait"] is None
    until(lambda: place.get(f"/api/jobs/{job.id}/sound"), lambda found: found.json["sides"]["audio"].get("peaks"))
    assert place.log.read_text().count("sound.failed") == 2


def test_a_side_that_is_no_sound_has_a_note(place: Place) -> None:
    (place.inbox / "a.wav").write_text("nothing")
    job = delivered(place, place.inbox / "a.wav", tones.write(place.outbox / "a.restored.wav", tones.speech(5)))
    found = until(lambda: place.get(f"/api/jobs/{job.id}/sound"),
                  lambda found: found.json["sides"]["original"]["note"]).json
    assert "can't be opened as sound" in found["sides"]["original"]["note"]
    assert place.get(f"/api/jobs/{job.id}/original/preview").status == 202
    refused = until(lambda: place.get(f"/api/jobs/{job.id}/original/preview"), lambda found: found.status != 202)
    assert refused.status in {404, 503}


def test_there_is_no_sound_of_what_is_no_job(place: Place) -> None:
    job = a_pair(place)
    assert place.get("/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/sound").status == 404
    assert place.get(f"/api/jobs/{job.id}/outputs/video/preview").status == 404
    assert place.get(f"/api/jobs/{job.id}/outputs/..%2f/preview").status == 404


def test_the_sides_of_a_job_are_what_has_a_content(place: Place) -> None:
    job = a_pair(place)
    assert list(sides.contents(job)) == ["original", "audio"]
    assert list(sides.contents(replace(job, sha256=None, outputs=()))) == []


def test_loudness_before_and_after_stands_in_lists_and_details(place: Place) -> None:
    job = a_pair(place)
    known(place, job)
    found = place.get(f"/api/jobs/{job.id}").json["loudness"]
    assert found["before"] - found["after"] == pytest.approx(18.06, abs=0.2)
    assert place.get("/api/jobs").json["jobs"][0]["loudness"] == found
    assert place.get("/api/status").json["screen"]["done_today"]["jobs"][0]["loudness"] == found


def test_without_the_extra_all_else_is_whole_and_the_administrator_is_told(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV hides, as if it were not installed: its metadata is not found."""
    def hidden(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", hidden)
    with page(tmp_path) as place:
        job = a_pair(place)
        found = place.get(f"/api/jobs/{job.id}/sound").json
        assert (found["available"], found["lag"], found["differences"]) == (False, None, [])
        assert found["sides"]["original"] == {"gone": None, "wait": None, "note": None, "no_sound": False}
        assert place.get(f"/api/jobs/{job.id}/original").status == 200
        refused = place.get(f"/api/jobs/{job.id}/original/preview")
        assert (refused.status, refused.error) == (
            404, "This browser can't play it, and no preview can be made: PyAV is not installed at the service.")
        told = place.get("/api/status").json["screen"]["service"]["listening"]["message"]
        assert "`pip install 'av>=18.1,<19'`" in told
        assert place.get(f"/api/jobs/{job.id}").json["loudness"] is None
        assert not (place.root / "state" / "sound").exists()


def test_what_was_removed_can_be_had_where_both_sides_lie_on_each_other(place: Place) -> None:
    job = a_pair(place)
    assert place.get(f"/api/jobs/{job.id}/removed/preview").status == 404
    assert known(place, job)["removed"] is True
    made = until(lambda: place.get(f"/api/jobs/{job.id}/removed/preview"), lambda found: found.status != 202)
    assert (made.status, made.body[:4]) == (200, b"fLaC")
    (place.outbox / "a.restored.wav").unlink()
    assert place.get(f"/api/jobs/{job.id}/removed/preview").status == 410
    assert place.get(f"/api/jobs/{job.id}/sound").json["removed"] is False


def test_nothing_is_removed_where_one_side_drifts(place: Place) -> None:
    speech = list(tones.speech(60))
    longer = [each for at in range(0, len(speech), 1000) for each in (speech[at], *speech[at:at + 1000])]
    job = delivered(place, tones.write(place.inbox / "a.wav", speech),
                    tones.write(place.outbox / "a.restored.wav", longer))
    found = known(place, job)
    assert found["removed"] is False
    assert found["lag"]["words"] == "The restored one falls behind by 60 ms a minute."
    assert found["notes"] == ["The sound drifts against the original: 0.100 % longer."]
    refused = place.get(f"/api/jobs/{job.id}/removed/preview")
    assert (refused.status, "to a millisecond" in refused.error) == (404, True)
