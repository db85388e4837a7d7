"""Which files are taken, and when; and `explain` is right about each of them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sounds import sound
from whole_media import RECIPES
from whole_studio import LONG, NAME, MakeStudio, Studio, until

from diffio_watch.intake import settle
from diffio_watch.sandbox import Sandbox

JUNK = (".hidden.wav", "._a.wav", "~$a.wav", "a.wav.part", "a.partial", "a.tmp", "a.wav.crdownload", "a.filepart",
        "@eaDir/a.wav", "#recycle/a.wav", "#snapshot/a.wav", ".Trash-1000/a.wav", "$RECYCLE.BIN/a.wav",
        ".snapshot/a.wav", "lost+found/a.wav", ".@__thumb/a.wav", "@Recycle/a.wav", ".stversions/a.wav",
        ".stfolder/a.wav", "deep/@eaDir/below/a.wav", ".DS_Store", "Thumbs.db", "desktop.ini", ".diffio-watch-x.wav")


def drop(studio: Studio, path: str, content: bytes | None = None) -> Path:
    place = studio.inbox() / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(sound(path) if content is None else content)
    return place


def test_what_is_no_recording_is_never_taken_and_told_why(studio: Studio, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.wav").write_bytes(sound("secret"))
    for path in JUNK:
        drop(studio, path)
    drop(studio, "notes.txt")
    inbox = studio.inbox()
    os.mkfifo(inbox / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(inbox)  # the path of a socket is short
        server.bind("socket.wav")
        os.chdir(here)
    (inbox / "folder.wav").mkdir()
    (inbox / "out.wav").symlink_to(outside / "secret.wav")
    (inbox / "out").symlink_to(outside)
    (inbox / "self.wav").symlink_to("self.wav")
    (inbox / "in.wav").symlink_to("good.wav")
    expected = dict.fromkeys(JUNK, "junk") | dict.fromkeys(
        ("out.wav", "out/secret.wav", "self.wav", "in.wav"), "link") | dict.fromkeys(
        ("pipe.wav", "socket.wav", "folder.wav"), "not_regular") | {"notes.txt": "not_included"}
    if os.geteuid() == 0:
        os.mknod(inbox / "null.wav", 0o600 | 0o020000, os.makedev(1, 3))
        expected["null.wav"] = "not_regular"
    studio.start()
    drop(studio, "good.wav")
    studio.wait("good.wav")
    assert set(studio.states()) == {"good.wav"}
    assert studio.settling() == {}
    for path, code in expected.items():
        assert studio.explain(path) == ("ignored", code), path
    assert studio.explain("good.wav") == ("job", None)
    assert studio.explain("nowhere.wav") == ("missing", None)
    assert studio.json("explain", str(outside / "secret.wav"))["verdict"] == "outside"
    assert studio.service.charges == 1


def test_links_are_followed_where_that_is_wanted_and_never_out(make_studio: MakeStudio, tmp_path: Path) -> None:
    studio = make_studio(inboxes={NAME: {"follow_symlinks": True, "duplicates": "process", "exclude": ["real/*"]}})
    (tmp_path / "secret.wav").write_bytes(sound("secret"))
    drop(studio, "real/take.wav")
    (studio.inbox() / "in.wav").symlink_to("real/take.wav")
    (studio.inbox() / "out.wav").symlink_to(tmp_path / "secret.wav")
    (studio.inbox() / "up.wav").symlink_to("../../secret.wav")
    studio.start()
    studio.wait("in.wav")
    assert set(studio.states()) == {"in.wav"}
    assert studio.explain("out.wav") == ("ignored", "link")
    assert studio.explain("real/take.wav") == ("ignored", "excluded")
    assert studio.service.charges == 1


@pytest.fixture
def nobodys(make_studio: MakeStudio) -> Iterator[Path]:
    """A folder of somebody who is not root, while this process is that somebody: permissions bind root too then."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    # whatever is loaded only when it is needed has to be there by then: somebody else may not read this Python
    warm = make_studio()
    drop(warm, "warm.wav")
    warm.start()
    warm.wait("warm.wav")
    assert warm.explain("warm.wav") == ("job", None)
    assert [warm.command(word)[0] for word in ("pause", "resume")] == [0, 0]
    warm.close()
    folder = Path(tempfile.mkdtemp(prefix="diffio-watch-test-"))
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def test_an_unreadable_file_waits_with_one_alert_until_it_can_be_read(nobodys: Path) -> None:
    with Sandbox(seconds=0) as service:
        studio = Studio(nobodys, service)
        place = drop(studio, "a.wav")
        place.chmod(0)
        studio.start()
        try:
            until(lambda: studio.settling() == {"a.wav": "unreadable"}, what=studio.told)
            assert studio.explain("a.wav") == ("waiting", "unreadable")
            until(lambda: studio.explain("a.wav") == ("waiting", "unreadable") and studio.settling())
            assert len(studio.events("file.unreadable")) == 1
            drop(studio, "b.wav")
            studio.wait("b.wav")
            place.chmod(0o600)
            studio.wait("a.wav")
            assert service.charges == 2
        finally:
            studio.close()


def test_a_folder_that_cannot_be_entered_is_no_absence(nobodys: Path) -> None:
    with Sandbox(seconds=0) as service:
        studio = Studio(nobodys, service, inboxes={NAME: {"rescan": "200ms"}})
        drop(studio, "show/a.wav")
        studio.start()
        try:
            studio.wait("show/a.wav")
            assert studio.command("pause")[0] == 0
            drop(studio, "show/b.wav")
            studio.wait("show/b.wav", state="queued")
            (studio.inbox() / "show").chmod(0)
            before = studio.reports()[NAME].last_scan_at
            studio.skip(15)
            drop(studio, "c.wav")
            studio.wait("c.wav", state="queued")
            until(lambda: studio.reports()[NAME].last_scan_at != before, what=studio.told)
            assert studio.states()["show/b.wav"] == "queued"
            (studio.inbox() / "show").chmod(0o700)
            assert studio.command("resume")[0] == 0
            studio.wait("show/a.wav", "show/b.wav", "c.wav", seconds=30)
            assert service.charges == 3
        finally:
            studio.close()


def test_a_file_that_vanishes_ends_without_noise_before_it_is_paid_for_and_goes_on_after(studio: Studio) -> None:
    studio.service.change(seconds=LONG)
    studio.start()
    with drop(studio, "open.wav").open("ab"):
        until(lambda: studio.settling() == {"open.wav": "open_for_writing"}, what=studio.told)
        (studio.inbox() / "open.wav").unlink()
        until(lambda: studio.settling() == {}, what=studio.told)
    paid = drop(studio, "paid.wav")
    studio.wait("paid.wav", state="waiting")
    assert studio.command("pause")[0] == 0
    drop(studio, "queued.wav")
    studio.wait("queued.wav", state="queued")
    (studio.inbox() / "queued.wav").unlink()
    paid.unlink()
    studio.wait("queued.wav", state="cancelled: vanished")
    assert studio.explain("queued.wav") == ("job", "vanished")
    studio.ready()
    studio.wait("paid.wav")
    assert set(studio.states()) == {"paid.wav", "queued.wav"}
    assert studio.visible() == {"paid.restored.wav", "paid.wav.json"}
    assert studio.events("job.failed") == []
    assert studio.service.charges == 1
    drop(studio, "queued.wav")  # it is back: the same job goes on
    assert studio.command("resume")[0] == 0
    studio.wait("queued.wav")
    assert studio.service.charges == 2


def test_a_preallocated_copy_is_taken_once_its_writer_is_done(studio: Studio) -> None:
    content = sound("a", 20)
    studio.start()
    with (studio.inbox() / "a.wav").open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        file.write(content[:1000])
        until(lambda: studio.settling() == {"a.wav": "open_for_writing"}, what=studio.told)
        assert studio.explain("a.wav") == ("waiting", "open_for_writing")
        studio.skip(25)  # a pause much longer than the quiet time
        drop(studio, "b.wav")
        studio.wait("b.wav")
        assert set(studio.states()) == {"b.wav"}
        file.write(content[1000:])
    studio.skip(5)
    studio.wait("a.wav")
    assert studio.sidecars()["a.wav"]["outputs"][0]["size"] == len(content)
    assert studio.service.charges == 2


@pytest.mark.parametrize("name", ["wav 16 bit.wav", "film.mp4", *(
    pytest.param(name, marks=pytest.mark.slow) for name in ("rf64.wav", "take.aiff", "film.mov", "film.mkv"))])
def test_a_writer_that_closes_and_pauses_is_waited_for_where_the_container_tells(
    name: str, media: Path, studio: Studio,
) -> None:
    content = (media / name).read_bytes()
    studio.start()
    place = drop(studio, name, content[:len(content) // 2])
    until(lambda: studio.settling() == {name: "cut_short"}, what=studio.told)
    assert studio.explain(name) == ("waiting", "cut_short")
    with place.open("ab") as file:
        file.write(content[len(content) // 2:])
    studio.wait(name)
    assert studio.service.charges == 1
    assert studio.sidecars()[name]["outputs"][0]["size"] == len(content)


def test_what_stays_cut_short_fails_and_is_sent_as_it_is_only_for_a_person(
    media: Path, studio: Studio, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settle, "CUT_SHORT_FOR", 0.5)
    content = (media / "film.mp4").read_bytes()
    drop(studio, "film.mp4", content[:len(content) * 2 // 3])
    drop(studio, "notes.wav", b"no sound at all" * 100)
    studio.start()
    studio.wait("film.mp4", state="failed: truncated")
    studio.wait("notes.wav", state="failed: not_media")
    assert studio.explain("film.mp4") == ("job", "truncated")
    assert studio.explain("notes.wav") == ("job", "not_media")
    until(lambda: studio.visible() == {"film.mp4.error.json", "notes.wav.error.json"}, what=studio.told)
    assert studio.service.calls == {}
    assert studio.command("retry", f"{NAME}:film.mp4")[0] == 1
    code, out, err = studio.command("retry", "--as-is", f"{NAME}:notes.wav")
    assert code == 0, out + err
    until(lambda: studio.service.charges == 1, what=studio.told)
    drop(studio, "film.mp4", content)  # copied again, whole
    studio.wait("film.mp4")
    until(lambda: not (studio.outbox() / "film.mp4.error.json").exists(), what=studio.told)
    assert studio.service.charges == 2


def test_an_empty_file_fails_at_once_and_is_told_only_later(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "EMPTY_NOTICE_AFTER", 25.0)
    drop(studio, "a.wav", b"")
    drop(studio, "b.wav", b"")
    drop(studio, "c.wav", b"")
    studio.start()
    studio.wait("a.wav", "b.wav", "c.wav", state="failed: empty")
    assert studio.explain("a.wav") == ("waiting", "empty_yet")
    drop(studio, "a.wav")  # a program that makes a file first and fills it later
    studio.wait("a.wav")
    assert studio.visible() == {"a.restored.wav", "a.wav.json"}
    (studio.inbox() / "c.wav").unlink()  # or thinks better of it
    until(lambda: [one["path"] for one in studio.json("status")["inboxes"][0]["settling"]] == ["b.wav"],
          what=studio.told)
    studio.skip(26)
    until((studio.outbox() / "b.wav.error.json").exists, what=studio.told)
    assert [one["path"] for one in studio.json("status")["attention"]] == ["b.wav"]
    assert studio.service.charges == 1


def test_a_copy_is_skipped_or_fetched_again_for_nothing_or_paid_for_as_configured(make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: {}, "all": {"duplicates": "process"}})
    content = sound("a")
    studio.start()
    for name in studio.inboxes:
        (studio.inbox(name) / "a.wav").write_bytes(content)
        studio.wait("a.wav", name=name)
        (studio.inbox(name) / "copy.wav").write_bytes(content)
    studio.wait("copy.wav", name=NAME, state="skipped: duplicate")
    studio.wait("copy.wav", name="all")
    assert studio.explain("copy.wav") == ("job", "duplicate")
    told = studio.sidecars()["copy.wav"]
    assert (told["state"], told["outputs"]) == ("skipped", [])
    assert told["duplicate_of"] == {"job": studio.job("a.wav").id, "path": "a.wav",
                                    "outputs": [{"type": "audio", "path": "a.restored.wav"}]}
    assert studio.service.charges == 3  # a in each inbox, and the copy where copies are processed
    (studio.outbox() / "a.restored.wav").unlink()
    drop(studio, "late.wav", content)
    studio.wait("late.wav", name=NAME)
    assert (studio.outbox() / "late.restored.wav").read_bytes() == content
    assert studio.sidecars()["late.wav"]["service"]["idempotent_replay"] is True
    assert studio.service.charges == 3
    for path in ("a.wav", "copy.wav", "late.wav"):
        assert (studio.inbox() / path).read_bytes() == content


def test_every_form_of_recording_is_told_right_on_its_way(media: Path, studio: Studio) -> None:
    studio.service.change(seconds=LONG)
    studio.start()
    for name in RECIPES:
        shutil.copy(media / name, studio.inbox())
    studio.wait(*RECIPES, state="waiting")
    assert all(studio.explain(name) == ("job", None) for name in RECIPES)


def test_another_take_in_the_place_of_one_whose_upload_a_stop_cut_off_is_restored_whole(studio: Studio) -> None:
    """Its size and its time are those of the first: an editor exports takes of one length under one name."""
    first, second = (sound(name, 30) for name in ("first", "second"))
    assert len(first) == len(second)
    studio.service.change(part_bytes=64 << 10)
    studio.service.fault("part", "stall", nth=2)
    studio.start()
    time = drop(studio, "talk.wav", first).stat().st_mtime_ns

    def confirmed() -> int:
        with studio.journal() as journal:
            return sum(len(journal.jobs.parts(job.id)) for job in journal.jobs.newest())

    until(lambda: confirmed() == 1, what=studio.told)
    assert studio.stop() == 0
    studio.service.calm()
    take = studio.base / "take.wav"
    take.write_bytes(second)
    os.utime(take, ns=(time, time))
    take.rename(studio.inbox() / "talk.wav")
    studio.start()
    studio.wait("talk.wav")
    assert (studio.outbox() / "talk.restored.wav").read_bytes() == second
    assert studio.service.charges == 1
    assert len(studio.jobs()) == 1
    studio.check()
