"""What appears under a final name is whole, is ours, and replaced nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from outbox_studio import RESULTS, Studio, deliver, fetch, fetched, renumbering, reserve, step

from diffio_watch.disk import durable, marker
from diffio_watch.job import Because, Job, Output, State, new_id
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.errors import ContentLost, DiskTrouble, NameTaken, OutboxGone
from diffio_watch.outbox.names import temp_name

AUDIO, TRANSCRIPT = "show 12/interview.restored.mp3", "show 12/interview.transcript.json"
SIDECAR, ERROR = "show 12/interview.wav.json", "show 12/interview.wav.error.json"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def failed(job: Job, code: str = "empty") -> Job:
    return replace(job, state=State.FAILED, because=Because(code, "It is empty.", "Copy it again."))


def test_a_delivery(studio: Studio) -> None:
    job = deliver(studio.outbox(), studio.job())
    files = studio.files()
    assert files.keys() == {AUDIO, TRANSCRIPT, SIDECAR}
    assert (files[AUDIO], files[TRANSCRIPT]) == (RESULTS["audio"], RESULTS["transcript"])
    found = sidecar.parse(files[SIDECAR])
    assert {output.path: output.size for output in found.outputs} == {
        path: len(files[path]) for path in (AUDIO, TRANSCRIPT)}
    assert (found.job, found.state) == (job.id, State.DELIVERED)
    assert studio.told == []


def test_nothing_is_visible_before_it_is_whole_and_the_sidecar_is_last(studio: Studio) -> None:
    outbox, job = studio.outbox(), studio.job()
    seen: list[list[str]] = []
    while job.state is not State.DELIVERED:
        job = step(outbox, job)
        seen.append(sorted(studio.visible()))
    assert seen == [[], [], [], [AUDIO], [AUDIO, TRANSCRIPT], [AUDIO, TRANSCRIPT, SIDECAR]]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_files_and_folders_have_the_jobs_modes_from_the_start(studio: Studio, umask: int) -> None:
    before = os.umask(umask)
    try:
        outbox = studio.outbox()
        job = studio.job(settings={"file_mode": 0o640, "dir_mode": 0o2750})
        job = reserve(outbox, job)
        with outbox.temp(job, job.outputs[0]) as temp:
            assert stat.S_IMODE(os.fstat(temp.fileno()).st_mode) == 0o640
        deliver(outbox, job)
    finally:
        os.umask(before)
    for path in (AUDIO, TRANSCRIPT, SIDECAR):
        assert stat.S_IMODE((studio.root / path).stat().st_mode) == 0o640
    assert stat.S_IMODE((studio.root / "show 12").stat().st_mode) == 0o2750


@pytest.mark.parametrize("name", [
    os.fsdecode(b"\xff\xfe.wav"), "new\nline.wav", "-rf.wav", "--help", "😀👩\u200d👧.wav", "\u202egnp.wav",
    "مقابلة.wav", "a" * 251 + ".wav", "ä" * 125 + ".wav", " ", "\x1b[2J.wav", "a\\b.wav", "{stem}.wav", "%s%n.wav",
    "CON.wav", "a:b*?.wav",
])
def test_awkward_names_are_delivered_and_told(studio: Studio, name: str) -> None:
    path = f"{name}/{name}"
    outbox = studio.outbox()
    job = deliver(outbox, studio.job(path))
    (told, found), = outbox.sidecars()
    assert found.source.name == path
    assert {output.name for output in found.outputs} == {output.path for output in job.outputs}
    assert set(studio.files()) == {told, *(output.name for output in found.outputs)}
    assert outbox.write_error(failed(job))
    assert outbox.clear_error(path)


def test_publishing_twice_is_publishing_once(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    for _ in range(2):
        for output in job.outputs:
            outbox.publish(job, output)
    assert studio.files() == {AUDIO: RESULTS["audio"], TRANSCRIPT: RESULTS["transcript"]}


def test_a_try_that_ended_between_link_and_unlink_is_finished(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    os.link(studio.root / "show 12" / temp_name(job.id, "audio"), studio.root / AUDIO)
    outbox.publish(job, job.outputs[0])
    assert temp_name(job.id, "audio") not in " ".join(studio.files())
    assert studio.files()[AUDIO] == RESULTS["audio"]


@pytest.mark.parametrize("kind", ["file", "same size", "dangling link", "folder"])
def test_a_name_taken_meanwhile_is_left_alone_and_all_files_get_the_next_number(studio: Studio, kind: str) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    audio, transcript = job.outputs
    outbox.publish(job, audio)
    there = studio.root / TRANSCRIPT
    if kind == "folder":
        there.mkdir()
    elif kind == "dangling link":
        there.symlink_to("nowhere")
    else:
        there.write_bytes(b"x" * len(RESULTS["transcript"]) if kind == "same size" else b"mine")
    before = os.lstat(there)
    with pytest.raises(NameTaken):
        outbox.publish(job, transcript)
    done = deliver(outbox, job)
    assert done.number == 2
    after = os.lstat(there)
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    visible = {path for path in studio.visible() if path != TRANSCRIPT}
    assert visible == {"show 12/interview.restored (2).mp3", "show 12/interview.transcript (2).json",
                       "show 12/interview.wav (2).json"}


def test_a_sidecar_name_taken_meanwhile_renumbers_too(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    (studio.root / SIDECAR).write_text("{}")
    assert deliver(outbox, job).number == 2
    assert (studio.root / SIDECAR).read_text() == "{}"
    assert AUDIO not in studio.files()


def test_taking_outputs_back_may_run_twice_and_follows_a_renamed_folder(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    outbox.publish(job, job.outputs[0])
    moved = replace(job, path="show 13/interview.wav")
    for _ in range(2):
        for output in moved.outputs:
            outbox.unpublish(moved, output)
    assert studio.visible() == {}
    deliver(outbox, renumbering(moved))
    assert studio.files().keys() == {path.replace("12", "13") for path in (AUDIO, TRANSCRIPT, SIDECAR)}


def test_taking_back_after_a_try_between_link_and_unlink_leaves_no_second_name(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    for path in ("show 12/interview.wav", "show 13/interview.wav"):
        os.link(studio.root / "show 12" / temp_name(job.id, "audio"), studio.root / AUDIO)
        outbox.unpublish(replace(job, path=path), job.outputs[0])
        assert studio.visible() == {}


def test_content_that_is_gone_is_said_to_be_lost(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    audio = job.outputs[0]
    (studio.root / "show 12" / temp_name(job.id, "audio")).write_bytes(b"cut")
    with pytest.raises(ContentLost):
        outbox.publish(job, audio)
    (studio.root / AUDIO).write_bytes(b"?" * len(RESULTS["audio"]))
    with pytest.raises(ContentLost):
        outbox.publish(job, audio)
    for path in ("show 12/interview.wav", "elsewhere/interview.wav"):
        with pytest.raises(ContentLost):
            outbox.unpublish(replace(job, path=path), audio)
    with pytest.raises(ContentLost):
        outbox.unpublish(job, replace(audio, path="never/made.mp3"))
    assert (studio.root / AUDIO).read_bytes() == b"?" * len(RESULTS["audio"])


def test_no_sidecar_names_an_output_that_is_not_there(studio: Studio) -> None:
    outbox = studio.outbox()
    job = deliver(outbox, studio.job())
    (studio.root / SIDECAR).unlink()
    (studio.root / AUDIO).write_bytes(b"cut")
    assert not outbox.present(job.outputs[0])
    assert outbox.present(job.outputs[1])
    with pytest.raises(ContentLost):
        outbox.write_sidecar(job)
    assert SIDECAR not in studio.files()


def test_an_output_that_was_never_fetched_can_not_be_published(studio: Studio) -> None:
    with pytest.raises(ValueError, match="not fetched"):
        studio.outbox().publish(studio.job(), Output("audio", path=AUDIO))


def test_a_sidecar_or_error_file_wants_its_state(studio: Studio) -> None:
    with pytest.raises(ValueError, match="no sidecar"):
        studio.outbox().write_sidecar(studio.job())
    with pytest.raises(ValueError, match="no error file"):
        studio.outbox().write_error(studio.job())


def test_ones_own_sidecar_is_written_anew_and_no_other(studio: Studio) -> None:
    outbox = studio.outbox()
    job = deliver(outbox, studio.job())
    outbox.write_sidecar(replace(job, notes=("seen again",)))
    assert json.loads(studio.files()[SIDECAR])["notes"] == ["seen again"]
    for other in (replace(job, run=2), replace(job, id=new_id())):
        with pytest.raises(NameTaken):
            outbox.write_sidecar(other)
    assert studio.files().keys() == {AUDIO, TRANSCRIPT, SIDECAR}


def test_a_skipped_file_has_a_sidecar_of_its_own(studio: Studio) -> None:
    outbox = studio.outbox()
    job = replace(reserve(outbox, studio.job(), {}), state=State.SKIPPED)
    earlier = deliver(outbox, studio.job("first.wav"))
    assert outbox.write_sidecar(job, earlier) == SIDECAR
    told = json.loads(studio.files()[SIDECAR])
    assert (told["outputs"], told["duplicate_of"]) == ([], {"job": earlier.id, "path": "first.wav", "outputs": [
        {"type": "audio", "path": "first.restored.mp3"}, {"type": "transcript", "path": "first.transcript.json"}]})


def test_an_error_file_is_written_refreshed_and_cleared_by_any_job_of_the_path(studio: Studio) -> None:
    outbox = studio.outbox()
    job = failed(studio.job())
    assert outbox.write_error(job)
    assert outbox.write_error(job)
    later = replace(failed(studio.job(), "truncated"), state=State.HELD)
    assert outbox.write_error(later)
    told = json.loads(studio.files()[ERROR])
    assert (told["job"], told["because"]["code"]) == (later.id, "truncated")
    assert outbox.clear_error(job.path)
    assert not outbox.clear_error(job.path)
    assert not outbox.clear_error("never/seen.wav")
    assert studio.files() == {}


@pytest.mark.parametrize("content", [b"", b"{}", b"notes of an editor", b"x" * (2 << 20)])
def test_an_error_file_of_somebody_else_is_left_alone(studio: Studio, content: bytes) -> None:
    outbox, job = studio.outbox(), failed(studio.job())
    (studio.root / "show 12").mkdir()
    (studio.root / ERROR).write_bytes(content)
    assert not outbox.write_error(job)
    assert not outbox.clear_error(job.path)
    assert studio.files() == {ERROR: content}


def test_an_error_file_of_another_inbox_or_path_or_a_sidecar_is_somebody_elses(studio: Studio) -> None:
    outbox = studio.outbox()
    job = failed(studio.job())
    (studio.root / "show 12").mkdir()
    for other in (replace(job, inbox="films"), replace(job, path="show 12/other.wav"),
                  replace(job, state=State.DELIVERED)):
        (studio.root / ERROR).write_bytes(sidecar.render(other))
        assert not outbox.write_error(job)
        assert not outbox.clear_error(job.path)


@pytest.mark.parametrize("kind", ["FIFO", "link", "folder"])
def test_what_stands_in_an_error_files_place_is_never_opened(studio: Studio, kind: str) -> None:
    outbox, job = studio.outbox(), failed(studio.job())
    (studio.root / "show 12").mkdir()
    there = studio.root / ERROR
    if kind == "FIFO":
        os.mkfifo(there)
    elif kind == "folder":
        there.mkdir()
    else:
        (studio.base / "real").write_bytes(sidecar.render(job))
        there.symlink_to(studio.base / "real")
    assert not outbox.write_error(job)
    assert not outbox.clear_error(job.path)
    assert os.path.lexists(there)


def test_a_link_among_the_folders_leads_nowhere(studio: Studio) -> None:
    elsewhere = studio.base / "elsewhere"
    elsewhere.mkdir()
    (studio.root / "show 12").symlink_to(elsewhere)
    outbox, job = studio.outbox(), studio.job()
    for use in (lambda: reserve(outbox, job), lambda: outbox.temp(job, Output("audio", path=AUDIO)),
                lambda: outbox.write_error(failed(job)), lambda: outbox.clear_error(job.path)):
        with pytest.raises(DiskTrouble, match="stands where a folder is needed"):
            use()
    assert not any(elsewhere.iterdir())


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_a_planted_temporary_file_is_replaced_not_written_through(studio: Studio, kind: str) -> None:
    outbox = studio.outbox()
    job = reserve(outbox, studio.job())
    (studio.root / "show 12").mkdir()
    dear = studio.root / "dear.wav"
    dear.write_bytes(b"dear")
    planted = studio.root / "show 12" / temp_name(job.id, "audio")
    for resume in (False, True):
        if kind == "link":
            planted.symlink_to(dear)
        else:
            os.link(dear, planted)
        with outbox.temp(job, job.outputs[0], resume=resume) as temp:
            temp.write(b"x")
        planted.unlink()
    assert dear.read_bytes() == b"dear"


def test_a_download_starts_over_or_goes_on_from_what_is_there(studio: Studio) -> None:
    outbox = studio.outbox()
    job = reserve(outbox, studio.job())
    output = job.outputs[0]
    with outbox.temp(job, output) as temp:
        temp.write(b"first ")
        temp.restart()
        temp.write(b"second ")
    with outbox.temp(job, output, resume=True) as temp:
        assert temp.size == 7
        temp.write(b"third")
        done = temp.finish()
    outbox.publish(job, replace(output, state="fetched", size=done.size, sha256=done.sha256))
    assert studio.files()[AUDIO] == b"second third"
    with outbox.temp(job, output) as temp:
        assert temp.size == 0


def test_cleaning_removes_the_temporary_files_of_one_job_only(studio: Studio) -> None:
    outbox = studio.outbox()
    mine, other = fetched(outbox, studio.job()), fetched(outbox, studio.job("show 12/other.wav"))
    outbox.clean(replace(mine, path="moved/interview.wav"))
    assert studio.files().keys() == {f"show 12/{temp_name(other.id, kind)}" for kind in RESULTS}


def test_sweeping_removes_what_closed_jobs_left_and_nothing_that_looks_alike(studio: Studio) -> None:
    outbox = studio.outbox()
    still, gone = fetched(outbox, studio.job("a/b/c.wav")), fetched(outbox, studio.job("d.wav"))
    kept = [".diffio-watch", ".diffio-watch.tmp", ".x.part", "a/.diffio-watch-notes.part", "take.part"]
    for path in kept:
        (studio.root / path).touch()
    elsewhere = studio.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / temp_name(gone.id, "audio")).touch()
    (studio.root / "linked").symlink_to(elsewhere)
    swept = outbox.sweep(lambda job_id: job_id == still.id)
    assert sorted(swept) == sorted(temp_name(gone.id, kind) for kind in RESULTS)
    assert studio.files().keys() == {*kept, *(f"a/b/{temp_name(still.id, kind)}" for kind in RESULTS)}
    assert len(list(elsewhere.iterdir())) == 1


def test_what_can_not_be_swept_is_told_and_the_rest_is_swept(studio: Studio) -> None:
    names = [f"{folder}/{temp_name(new_id(), 'audio')}" for folder in "abc"]
    for name in names:
        (studio.root / name).parent.mkdir()
        (studio.root / name).touch()
    if subprocess.run(["chattr", "+i", studio.root / names[1]], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be made immutable here")
    told: list[tuple[str, str]] = []
    try:
        swept = studio.outbox().sweep(lambda _: False, aside=lambda *one: told.append(one))
    finally:
        subprocess.run(["chattr", "-i", studio.root / names[1]], check=True)
    assert sorted(swept) == [names[0], names[2]]
    assert [path for path, _ in told] == [names[1]]


def test_sidecars_and_error_files_are_found_and_nothing_else_is(studio: Studio) -> None:
    outbox = studio.outbox()
    job = deliver(outbox, studio.job())
    outbox.write_error(failed(studio.job("other.wav")))
    (studio.root / "package.json").write_text("{}")
    assert [(path, found.state) for path, found in outbox.sidecars()] == [
        ("other.wav.error.json", State.FAILED), (SIDECAR, job.state)]


def test_room_is_told_in_bytes(studio: Studio) -> None:
    room = os.statvfs(studio.root)
    assert abs(studio.outbox().free() - room.f_bavail * room.f_frsize) < 1 << 30


def test_without_its_root_nothing_is_made(studio: Studio) -> None:
    outbox, job = studio.outbox(), studio.job()
    studio.root.rename(studio.base / "away")
    for use in (lambda: reserve(outbox, job), lambda: outbox.temp(job, Output("audio", path=AUDIO)), outbox.free,
                lambda: outbox.write_error(failed(job)), lambda: outbox.clear_error(job.path),
                lambda: outbox.sweep(lambda _: False), lambda: list(outbox.sidecars()), lambda: outbox.clean(job)):
        with pytest.raises(OutboxGone):
            use()
    assert not studio.root.exists()


def test_nothing_is_written_where_the_marker_is_missing(studio: Studio) -> None:
    def available() -> None:
        raise marker.FolderGone("its marker is missing")

    outbox, job = studio.outbox(available), failed(studio.job())
    with pytest.raises(OutboxGone, match="marker"):
        outbox.write_error(job)
    with pytest.raises(OutboxGone):
        fetch(outbox, job, Output("audio", path=AUDIO), b"x")
    assert studio.files() == {}
    assert list(studio.root.iterdir()) == []


def test_a_root_that_changes_while_it_is_checked_is_not_written_to(studio: Studio) -> None:
    """A mount just then: the check saw the share, the open root is the disk beneath."""
    def mount() -> None:
        studio.root.rename(studio.base / "beneath")
        studio.root.mkdir()

    with pytest.raises(OutboxGone, match="just now"):
        studio.outbox(mount).write_error(failed(studio.job()))
    assert list((studio.base / "beneath").iterdir()) == []


def test_another_error_of_the_check_comes_through(studio: Studio) -> None:
    def available() -> None:
        raise marker.ForeignMarker(marker.Marker("diffio-watch", "x", "outbox", "a", 1))

    with pytest.raises(marker.ForeignMarker):
        studio.outbox(available).free()


def test_what_the_filesystem_can_not_promise_is_told_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a share that knows neither flags of renames nor links nor the syncing of folders."""
    monkeypatch.setattr(durable, "_renamer", lambda: None)
    monkeypatch.setattr(durable, "_by_link", lambda *_: False)
    monkeypatch.setattr(durable, "sync_folder", lambda _: False)
    outbox = studio.outbox()
    for number in (1, 2):
        assert deliver(outbox, studio.job()).number == number
    assert len(studio.told) == 2
    assert all(sentence.startswith(f"outbox {studio.root}: its filesystem can") for sentence in studio.told)


def test_what_stands_in_the_way_and_may_not_be_read_is_somebody_elses() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become a user who may not read everything")
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o777)
        studio = Studio(Path(base))
        studio.root.chmod(0o777)
        job = studio.job("a.wav")
        for name in ("a.wav.json", "a.wav.error.json", "a.restored.mp3"):
            (studio.root / name).write_bytes(RESULTS["audio"])
            (studio.root / name).chmod(0o600)
        os.seteuid(65534)
        try:
            outbox = studio.outbox()
            assert not outbox.write_error(failed(job))
            plan = Output("audio", path="a.restored.mp3")
            with pytest.raises(NameTaken):
                outbox.publish(job, fetch(outbox, job, plan, RESULTS["audio"]))
            with pytest.raises(NameTaken):
                outbox.write_sidecar(replace(job, state=State.DELIVERED))
        finally:
            os.seteuid(0)


def test_a_delivery_syncs_each_file_and_each_name_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output, its final name, the sidecar, its name: in this order, and nothing else."""
    (studio.root / "show 12").mkdir()
    synced: list[str] = []
    really = os.fsync

    def fsync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        really(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    job = deliver(studio.outbox(), studio.job(), {"audio": RESULTS["audio"]})
    assert synced == [temp_name(job.id, "audio"), "show 12", temp_name(job.id, "sidecar"), "show 12"]


def test_of_many_jobs_at_once_one_lists_their_folder_and_tries_whether_it_can_be_written(
    studio: Studio, monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def counted(name: str) -> None:
        really = getattr(os, name)

        def call(*told: Any, **more: Any) -> Any:
            asked.append(name)
            return really(*told, **more)

        monkeypatch.setattr(os, name, call)

    counted("listdir")
    counted("mkdir")
    outbox = studio.outbox()
    (studio.root / "7.restored.mp3").touch()
    for number in range(20):
        job = studio.job(f"{number}.wav")
        assert outbox.form_for(job, {"audio": None}, folder=True) == "plain"
        assert outbox.number_for(job, {"audio": None}, lambda _: False).number == (2 if number == 7 else 1)
    (studio.root / "19.restored.mp3").touch()  # within the same second
    assert outbox.number_for(studio.job("19.wav"), {"audio": None}, lambda _: False).number == 2
    assert asked == ["mkdir", "listdir", "listdir"], "the trial lists what it made, before it takes it away"


def test_a_long_download_is_on_its_way_to_the_disk_while_it_comes_and_of_a_short_one_nothing_is_asked(
    studio: Studio, monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[tuple[int, int]] = []
    really = durable.begin_sync

    def begin(fd: int, offset: int, size: int) -> None:
        begun.append((offset, size))
        really(fd, offset, size)

    monkeypatch.setattr(durable, "begin_sync", begin)
    outbox = studio.outbox()
    job = reserve(outbox, studio.job())
    with outbox.temp(job, job.outputs[0]) as temp:
        for _ in range(20):
            temp.write(bytes(1 << 20))
        assert begun == [(0, 8 << 20), (8 << 20, 8 << 20)]
        temp.restart()
        begun.clear()
        temp.write(memoryview(b"x" * (9 << 20)))
        assert begun == [(0, 9 << 20)]
        temp.finish()
    begun.clear()
    deliver(outbox, studio.job("short.wav"))
    assert begun == []
