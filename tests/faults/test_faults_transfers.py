"""Uploads and downloads that go wrong: only the part that failed is sent again, and nothing torn is ever seen."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pipeline_house import DAY, House
from sounds import sound

from diffio_watch.job import Media, State
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen

VIDEO = Media("MPEG-4", 0.2, has_video=True)
NOISE = bytes(range(256)) * 8


def code(house: House, job_id: str) -> tuple[State, str | None]:
    job = house.job(job_id)
    return job.state, job.because.code if job.because else None


def told(house: House, path: str = "talk.wav.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((house.outbox() / path).read_bytes())
    return found


class TestUpload:
    def test_only_the_part_that_failed_is_sent_again(self, house: House, service: Sandbox) -> None:
        service.fault("part", "reset", where="/parts/3", first=3, at=100)
        job_id = house.drop("talk.wav", sound("talk", 0.5))
        house.finish()
        house.check_delivered(job_id)
        assert set(service.parts(house.job(job_id).project_id or "").values()) == {1}

    def test_confirmed_parts_outlive_a_restart(self, house: House, service: Sandbox) -> None:
        service.fault("part", "status", status=503, where="/parts/4")
        job_id = house.drop("talk.wav", sound("talk", 0.6))
        house.work()
        service.calm()
        house.restart()
        house.finish()
        house.check_delivered(job_id)
        assert service.parts(house.job(job_id).project_id or "") == dict.fromkeys(range(1, 6), 1)
        assert house.projects_of("talk.wav") == 1

    def test_a_part_whose_answer_was_lost_is_sent_again_and_the_whole_is_right(
        self, house: House, service: Sandbox,
    ) -> None:
        service.fault("part", "reset", where="/parts/2", after=True, first=2)
        job_id = house.drop("talk.wav", sound("talk", 0.5))
        house.finish()
        house.check_delivered(job_id)

    def test_the_part_size_of_start_wins(self, house: House, service: Sandbox) -> None:
        service.change(start_part_bytes=700)
        job_id = house.drop("talk.wav", sound("talk"))
        house.finish()
        assert len(service.parts(house.job(job_id).project_id or "")) == 3
        house.check_delivered(job_id)

    def test_a_session_that_expired_in_a_pause_is_replaced(self, house: House, service: Sandbox) -> None:
        service.change(upload_lifetime=600)
        service.fault("part", "status", status=503)
        job_id = house.drop("talk.wav")
        house.work()
        service.calm()
        house.clock.advance(700)
        house.finish()
        house.check_delivered(job_id)
        assert house.projects_of("talk.wav") == 2

    def test_a_signed_url_is_not_kept_over_a_restart(self, house: House, service: Sandbox) -> None:
        service.change(upload="put")
        service.fault("put", "status", status=503)
        job_id = house.drop("talk.wav")
        house.work()
        service.calm()
        house.restart()
        house.finish()
        house.check_delivered(job_id)
        assert house.projects_of("talk.wav") == 2

    @pytest.mark.parametrize("upload", ["put", "multipart"])
    def test_an_upload_that_is_born_expired_is_tried_anew_with_growing_pauses(
        self, house: House, service: Sandbox, upload: str,
    ) -> None:
        service.change(upload=upload)
        service.fault("create_project", "expired")
        job_id = house.drop("talk.wav")
        house.run(3600)
        assert house.calls()["create_project"] < 12, "not without a pause"
        assert house.job(job_id).state is State.UPLOADING
        service.calm()
        house.finish()
        house.check_delivered(job_id)

    def test_a_lost_session_at_the_last_call_asks_what_the_service_has(self, house: House, service: Sandbox) -> None:
        """The edge completed it, the answer was lost, and the second call is refused: it is there all the same."""
        service.change(complete_again=False)
        service.fault("complete", "reset", after=True, first=1)
        job_id = house.drop("talk.wav")
        house.finish()
        house.check_delivered(job_id)
        assert house.projects_of("talk.wav") == 1

    @pytest.mark.parametrize("size", [1, 1643, 5_000_000])
    def test_another_size_than_was_sent_is_uploaded_again_and_nothing_is_generated(
        self, house: House, service: Sandbox, size: int,
    ) -> None:
        service.fault("complete_project_upload", "fields", fields={"sizeBytes": size})
        job_id = house.drop("talk.wav")
        house.run(10)
        assert code(house, job_id) == (State.UPLOADING, "service_error")
        assert service.charges == 0
        service.calm()
        house.finish()
        house.check_delivered(job_id)

    def test_a_file_over_the_services_limit_fails_without_a_byte_sent(self, house: House, service: Sandbox) -> None:
        service.change(max_bytes=1000)
        job_id = house.drop("talk.wav")
        house.finish()
        assert code(house, job_id) == (State.FAILED, "too_large")
        assert set(house.calls()) == {"create_project"}
        house.chores()
        because = told(house, "talk.wav.error.json")["because"]
        assert "1.6 KiB" in because["message"]
        assert "1000 bytes" in because["message"]

    @pytest.mark.parametrize("upload", ["put", "multipart"])
    @pytest.mark.parametrize("change", ["grown", "rewritten", "replaced", "gone", "shorter"])
    def test_a_file_that_changes_while_it_uploads_settles_again_and_nothing_is_paid(
        self, house: House, service: Sandbox, upload: str, change: str,
    ) -> None:
        service.change(upload=upload)
        path = house.inbox() / "talk.wav"
        fresh = sound("another", 0.3)
        done: list[Seen] = []

        def meddle(moment: str, seen: Seen) -> None:
            if moment == "effect" and seen.call in {"put", "part"} and not done:
                done.append(seen)
                alter(path, change, fresh)

        job_id = house.drop("talk.wav", sound("talk", 0.3))
        service.watch(meddle)
        house.run(60)
        assert code(house, job_id) == (State.QUEUED, "changed")
        assert house.looked == ["talk.wav"]
        assert service.charges == 0
        assert house.tools.sessions.jobs() == []
        if change == "gone":
            return
        path.write_bytes(fresh)
        assert house.place("podcasts", "talk.wav") == job_id, "the row describes the new content"
        house.finish()
        house.check_delivered(job_id)
        assert service.charges == 1

    def test_a_file_that_changed_before_the_paid_call_was_never_sent_as_what_it_was(
        self, house: House, service: Sandbox,
    ) -> None:
        """The service has all of it, and then the file is another: the job settles again, unpaid."""
        path = house.inbox() / "talk.wav"
        service.watch(lambda moment, seen: alter(path, "grown", b"") if (
            moment, seen.call) == ("arrived", "complete_project_upload") else None)
        job_id = house.drop("talk.wav")
        house.run(60)
        assert code(house, job_id) == (State.QUEUED, "changed")
        assert service.charges == 0

    def test_a_file_that_is_gone_or_no_file_any_more_is_intakes_to_judge(self, house: House) -> None:
        gone, folder = house.drop("gone.wav"), house.drop("folder.wav")
        for name in ("gone.wav", "folder.wav"):
            (house.inbox() / name).unlink()
        (house.inbox() / "folder.wav").mkdir()
        house.run(60)
        assert {code(house, one) for one in (gone, folder)} == {(State.QUEUED, "changed")}
        assert sorted(house.looked) == ["folder.wav", "gone.wav"]
        assert house.calls() == {}

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_an_unreadable_file_is_parked(self, house: House) -> None:
        job_id = house.drop("talk.wav")
        (house.inbox() / "talk.wav").chmod(0)
        house.run(600)
        assert code(house, job_id) == (State.QUEUED, "unreadable")
        (house.inbox() / "talk.wav").chmod(0o600)
        house.finish()
        house.check_delivered(job_id)

    def test_a_service_that_names_a_private_host_gets_nothing(self, house: House, service: Sandbox) -> None:
        service.fault("create_project", "fields", fields={"upload": {"edgeBaseUrl": "http://10.0.0.1"}})
        job_id = house.drop("talk.wav")
        house.run(600)
        assert code(house, job_id) == (State.UPLOADING, "service_error")
        service.calm()
        house.finish()
        house.check_delivered(job_id)


def alter(path: Path, change: str, fresh: bytes) -> None:
    """What people and programs do to a file in an inbox."""
    match change:
        case "grown":
            with path.open("ab") as file:
                file.write(b"more")
        case "rewritten":
            path.write_bytes(bytes(reversed(path.read_bytes())))
            os.utime(path, ns=(1, 1))
        case "replaced":
            path.with_name(".new").write_bytes(fresh)
            path.with_name(".new").rename(path)
        case "gone":
            path.unlink()
        case "shorter":
            os.truncate(path, 100)


class TestDownload:
    @pytest.mark.parametrize("fault", [
        {"kind": "status", "status": 200, "body": b"<html>sign in</html>", "headers": {"Content-Type": "audio/wav"}},
        {"kind": "status", "status": 200, "body": '{"error": "x"}', "headers": {"Content-Type": "audio/wav"}},
        {"kind": "status", "status": 200, "body": "<?xml version='1.0'?><Error/>",
         "headers": {"Content-Type": "application/xml"}},
        {"kind": "html"},
        {"kind": "status", "status": 200, "body": b"", "headers": {"Content-Type": "audio/wav"}},
        {"kind": "status", "status": 206, "body": NOISE, "headers": {"Content-Range": "bytes 0-9/20"}},
        {"kind": "status", "status": 204, "body": b""},
        {"kind": "wrong_range"},
        {"kind": "expired"},
    ], ids=["page as audio", "JSON as audio", "XML", "page", "empty", "half", "nothing", "wrong range",
            "expired"])
    def test_what_is_no_medium_never_appears(self, house: House, service: Sandbox, fault: dict[str, Any]) -> None:
        service.fault("download", **fault)
        job_id = house.drop("talk.wav")
        house.run(600)
        assert code(house, job_id) == (State.DOWNLOADING, "service_error")
        assert house.visible() == set()
        service.calm()
        house.finish()
        house.check_delivered(job_id)

    @pytest.mark.parametrize("fault", [{"kind": "html"}, {"kind": "expired"}])
    def test_what_never_comes_fails_in_the_end_and_is_fetched_when_a_person_asks(
        self, house: House, service: Sandbox, fault: dict[str, Any],
    ) -> None:
        service.fault("download", **fault)
        job_id = house.drop("talk.wav")
        house.run(DAY)
        assert code(house, job_id) == (State.FAILED, "output_unavailable")
        house.chores()
        assert house.visible() == {"talk.wav.error.json"}
        service.calm()
        assert house.ask("retry", jobs=[job_id]).exit == 0
        house.finish()
        house.chores()
        house.check_delivered(job_id)
        assert house.visible() == {"talk.restored.wav", "talk.wav.json"}

    @pytest.mark.parametrize("how", ["truncate", "close", "reset"])
    def test_a_broken_connection_is_gone_on_from(self, house: House, service: Sandbox, how: str) -> None:
        """Each answer ends after 3000 bytes, and still every byte is fetched about once."""
        more = {"at": 3000} if how == "truncate" else {"at": 3000, "after": True}
        rule = service.fault("download", how, **more)  # type: ignore[arg-type]  # kinds by name
        job_id = house.drop("talk.wav", sound("talk", 2))
        house.finish(within=60)
        assert 5 <= rule.fired <= 8
        house.check_delivered(job_id)

    @pytest.mark.parametrize("flag", ["ignore_range", "wrong_range"])
    def test_a_storage_that_is_bad_at_ranges_is_asked_for_the_whole(
        self, house: House, service: Sandbox, flag: Any,
    ) -> None:
        service.fault("download", "truncate", at=3000, nth=1)
        rule = service.fault("download", flag, nth=2)
        job_id = house.drop("talk.wav", sound("talk", 1))
        house.finish()
        assert rule.fired == 1
        house.check_delivered(job_id)

    def test_another_object_between_two_ranges_starts_over(self, house: House, service: Sandbox) -> None:
        """Never a mixture: the sandbox's other object has each byte one higher, which makes a WAV of this one."""
        service.fault("download", "truncate", at=3000, nth=1)
        rule = service.fault("download", "swap", nth=2)
        wav = sound("talk", 1)
        house.drop("talk.wav", bytes((each - 1) % 256 for each in wav))
        house.finish()
        assert rule.fired == 1
        assert (house.outbox() / "talk.restored.wav").read_bytes() == wav
        house.check()

    def test_a_cut_that_the_storage_owns_up_to_is_told_by_the_duration(self, house: House, service: Sandbox) -> None:
        """With a matching length no client can see it; what MediaInfo says of it becomes a note."""
        service.fault("download", "truncate", at=9000, honest=True)
        job_id = house.drop("talk.wav", sound("talk", 4), media=Media("Wave", 4.0, has_video=False))
        house.finish()
        assert house.job(job_id).state is State.DELIVERED
        assert any("lasts" in note for note in told(house)["notes"])

    def test_another_media_type_is_a_note(self, house: House, service: Sandbox) -> None:
        service.fault("link", "fields", fields={"mimeType": "audio/mpeg"})
        job_id = house.drop("talk.wav")
        house.finish()
        assert house.job(job_id).state is State.DELIVERED
        assert told(house)["notes"] == ["The audio was announced as audio/mpeg and came as audio/wav."]
        assert house.visible() == {"talk.restored.wav", "talk.wav.json"}, "the content says what it is"
        house.check_delivered(job_id)

    def test_a_film_by_another_name_is_a_film(self, house: House, service: Sandbox) -> None:
        """What goes to the service, and so the service's choice of output, comes from the content."""
        job_id = house.drop("film.mp3", media=VIDEO)
        other = house.drop("00012.MTS", media=Media("BDAV", 0.2, has_video=True))
        house.finish()
        facts = {each["file_name"]: (each["content_type"], each["params"]["fileFormat"])
                 for each in service.projects()}
        assert facts == {"film.mp3": ("video/mp4", "mp4"), "00012.MTS": ("video/mp2t", "mts")}
        assert [output.type for output in house.job(job_id).outputs] == ["video"]
        house.check_delivered(job_id, other)

    def test_an_expired_link_is_asked_for_again_at_once(self, house: House, service: Sandbox) -> None:
        service.fault("link", "expired", first=1)
        job_id = house.drop("talk.wav")
        house.finish(within=3)
        assert house.calls()["link"] == 2
        house.check_delivered(job_id)

    def test_a_link_is_not_kept_over_a_restart(self, house: House, service: Sandbox) -> None:
        service.fault("download", "status", status=503)
        job_id = house.drop("talk.wav")
        house.run(2)
        service.calm()
        house.restart()
        house.finish()
        house.check_delivered(job_id)
        secret = [path for path in house.base.rglob("*") if path.is_file() and b"X-Sandbox" in path.read_bytes()]
        assert secret == []

    @pytest.mark.parametrize("status", [404, 409])
    def test_lag_is_waited_for(self, house: House, service: Sandbox, status: int) -> None:
        service.change(lag=4, lag_status=status)
        job_id = house.drop("talk.wav")
        house.run(10)
        assert code(house, job_id) == (State.DOWNLOADING, "not_ready")
        house.finish(within=1800)
        house.check_delivered(job_id)

    @pytest.mark.parametrize(("status", "patience"), [(404, 900), (409, 3600)])
    def test_an_output_that_lags_for_too_long_is_a_note_and_the_others_are_delivered(
        self, house: House, service: Sandbox, status: int, patience: float,
    ) -> None:
        service.fault("link", "status", status=status, where='"video"')
        job_id = house.drop("talk.mp4", sound("talk"), media=VIDEO, settings={"outputs": ("audio", "video")})
        house.run(patience - 30)
        assert house.job(job_id).state is State.DOWNLOADING
        house.finish(within=3 * patience)
        job = house.job(job_id)
        assert {output.type: output.state for output in job.outputs} == {"audio": "published", "video": "unavailable"}
        assert any(note.startswith("No video") for note in told(house, "talk.mp4.json")["notes"])
        house.check()

    @pytest.mark.parametrize("status", [404, 409])
    def test_without_any_output_it_fails_and_is_had_later_without_paying(
        self, house: House, service: Sandbox, status: int,
    ) -> None:
        service.fault("link", "status", status=status)
        job_id = house.drop("talk.wav")
        house.run(DAY)
        assert code(house, job_id) == (State.FAILED, "output_unavailable")
        service.calm()
        house.ask("retry", jobs=[job_id])
        house.finish()
        house.check_delivered(job_id)

    def test_a_transcript_that_is_pending_is_waited_for(self, house: House, service: Sandbox) -> None:
        service.change(transcript="pending")
        job_id = house.drop("talk.wav", settings={"outputs": ("audio", "transcript")})
        house.run(300)
        assert code(house, job_id) == (State.DOWNLOADING, "not_ready")
        service.change(transcript="available")
        house.finish()
        assert house.visible() == {"talk.restored.wav", "talk.transcript.json", "talk.wav.json"}
        house.check_delivered(job_id)

    @pytest.mark.parametrize("outputs", [("audio", "transcript"), ("transcript", "audio"), ("auto", "transcript")])
    def test_a_transcript_that_there_is_not_is_a_note(
        self, house: House, service: Sandbox, outputs: tuple[str, ...],
    ) -> None:
        service.change(transcript="unavailable")
        job_id = house.drop("talk.wav", settings={"outputs": outputs})
        house.finish(within=10)
        assert [note[:13] for note in told(house)["notes"]] == ["No transcript"]
        house.check_delivered(job_id)

    def test_video_of_a_sound_file_is_a_note(self, house: House) -> None:
        job_id = house.drop("talk.wav", settings={"outputs": ("audio", "video")})
        house.finish(within=10)
        assert [note[:8] for note in told(house)["notes"]] == ["No video"]
        house.check_delivered(job_id)

    @pytest.mark.parametrize("outputs", [("video",), ("transcript",), ("video", "transcript")])
    def test_a_wish_that_cannot_be_met_at_all_falls_back_to_the_sound(
        self, house: House, service: Sandbox, outputs: tuple[str, ...],
    ) -> None:
        service.change(transcript="unavailable")
        job_id = house.drop("talk.wav", settings={"outputs": outputs})
        house.finish()
        house.check_delivered(job_id)
        assert f"({', '.join(outputs)}) there is nothing: the sound was fetched" in told(house)["notes"][0]
        assert house.visible() == {"talk.restored.wav", "talk.wav.json"}

    def test_a_transcript_alone_is_delivered(self, house: House) -> None:
        job_id = house.drop("talk.wav", settings={"outputs": ("transcript",)})
        house.finish()
        house.check_delivered(job_id)
        assert house.visible() == {"talk.transcript.json", "talk.wav.json"}

    def test_what_the_service_has_nothing_of_at_all_fails(self, house: House, service: Sandbox) -> None:
        service.fault("link", "status", status=404)
        job_id = house.drop("talk.wav", settings={"outputs": ("video", "transcript")})
        house.finish()
        assert code(house, job_id) == (State.FAILED, "output_unavailable")
        assert house.visible() == set()

    def test_a_broken_transcript_never_appears(self, house: House, service: Sandbox) -> None:
        service.fault("download", "status", status=200, body='{"words": [', where="/transcript/")
        job_id = house.drop("talk.wav", settings={"outputs": ("audio", "transcript")})
        house.run(600)
        assert house.visible() == set()
        service.calm()
        house.finish()
        house.check_delivered(job_id)

    def test_one_bad_output_does_not_take_the_other_with_it(self, house: House, service: Sandbox) -> None:
        service.fault("download", "html", where="/transcript/")
        job_id = house.drop("talk.wav", settings={"outputs": ("audio", "transcript")})
        house.finish()
        assert [note[:13] for note in told(house)["notes"]] == ["No transcript"]
        house.check_delivered(job_id)

    @pytest.mark.parametrize("error", [
        DiskTrouble("no space left on device", 28), OutboxGone("its marker is missing", "/out")])
    def test_an_outbox_that_takes_nothing_parks_the_job_and_never_generates_again(
        self, house: House, service: Sandbox, error: Exception,
    ) -> None:

        def refuse() -> None:
            raise error

        service.change(seconds=60)
        job_id = house.drop("talk.wav")
        house.run(5)
        house.outbox_check = refuse
        house.run(1800)
        assert code(house, job_id) == (State.DOWNLOADING, "disk")
        house.outbox_check = lambda: None
        house.finish()
        house.check_delivered(job_id)

    def test_a_taken_name_moves_all_files_to_the_next_number(self, house: House, service: Sandbox) -> None:
        def take(moment: str, seen: Seen) -> None:
            if (moment, seen.call) == ("arrived", "download"):
                (house.outbox() / "TALK.restored.wav").write_bytes(b"theirs")
                (house.outbox() / "talk.restored.wav").write_bytes(b"theirs too")

        service.watch(take)
        job_id = house.drop("talk.wav")
        house.finish()
        assert house.visible() == {
            "TALK.restored.wav", "talk.restored.wav", "talk.restored (2).wav", "talk.wav (2).json"}
        assert (house.outbox() / "talk.restored.wav").read_bytes() == b"theirs too"
        house.check_delivered(job_id)

    @pytest.mark.parametrize("renamed", [False, True])
    def test_a_fetched_again_output_whose_name_was_taken_leaves_no_sidecar_behind_that_names_what_is_gone(
        self, house: House, service: Sandbox, renamed: bool,
    ) -> None:
        """The other outputs go along to the next number, and the sidecar of the first one goes before them."""
        transcript = house.outbox() / "day/talk.transcript.json"
        wrong: list[str] = []

        def look() -> None:
            for path in house.outbox().rglob("*.wav*.json"):
                named = {one["path"] for one in json.loads(path.read_bytes())["outputs"]}
                wrong.extend(name for name in named if not (house.outbox() / name).exists())

        def take(moment: str, seen: Seen) -> None:
            if (moment, seen.call) == ("arrived", "download"):
                transcript.write_bytes(b'"an editor wrote this"')

        job_id = house.drop("day/talk.wav", settings={"outputs": ("audio", "transcript")})
        house.finish()
        (house.outbox() / "day/talk copy.json").write_bytes((house.outbox() / "day/talk.wav.json").read_bytes())
        transcript.unlink()
        if renamed:
            (house.inbox() / "day/talk.wav").rename(house.inbox() / "show.wav")
            house.journal.files.move("podcasts", [("day/talk.wav", "show.wav")])
        service.watch(take)
        house.journal.before_commit = house.journal.after_commit = look
        assert house.ask("retry", jobs=[job_id], missing={job_id: ["transcript"]}).exit == 0
        house.finish()
        assert set(wrong) <= {"day/talk.transcript.json"}, "but for what an editor took away himself"
        moved = ({"show.restored.wav", "show.transcript.json", "show.wav.json"} if renamed else
                 {"day/talk.restored (2).wav", "day/talk.transcript (2).json", "day/talk.wav (2).json"})
        assert house.visible() == {"day/talk.transcript.json", "day/talk copy.json", *moved}
        assert transcript.read_bytes() == b'"an editor wrote this"'
        assert house.job(job_id).state is State.DELIVERED
        (house.outbox() / "day/talk copy.json").unlink()
        house.check()

    def test_the_names_of_what_is_fetched_again_are_reserved_again(self, house: House, service: Sandbox) -> None:
        one = house.drop("talk.wav", settings={"outputs": ("audio", "transcript")})
        house.finish()
        (house.outbox() / "talk.transcript.json").unlink()
        service.fault("download", "status", status=503, where="/transcript/")
        assert house.ask("retry", jobs=[one], missing={one: ["transcript"]}).exit == 0
        other = house.drop("talk.wave", settings={"outputs": ("audio", "transcript")})
        house.run(5)
        assert (house.job(one).number, house.job(other).number) == (1, 2)
        service.calm()
        house.finish()
        house.check_delivered(one, other)

    def test_a_link_into_the_local_network_is_not_followed(self, house: House, service: Sandbox) -> None:
        service.fault("link", "fields", fields={"downloadUrl": "http://192.168.1.1/a.wav"})
        job_id = house.drop("talk.wav")
        house.run(600)
        assert code(house, job_id) == (State.DOWNLOADING, "service_error")
        service.calm()
        house.finish()
        house.check_delivered(job_id)
