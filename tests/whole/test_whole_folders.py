"""Folders that go away, come back, fill up or refuse: nothing is inferred from absence, nothing lands beneath."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sounds import sound
from whole_mounts import Mounts
from whole_studio import LONG, NAME, MakeStudio, Studio, until

from diffio_watch.job import State

pytestmark = pytest.mark.usefixtures("impatient")
MEGABYTE = 1_000_000


def names(folder: Path) -> set[str]:
    """Everything that lies in a folder."""
    return {path.name for path in folder.iterdir()}


def share(mounts: Mounts, studio: Studio, point: Path) -> Path:
    """Let a folder show at a root; the folder."""
    source = studio.base / f"{point.name} of the server"
    source.mkdir()
    mounts.bind(source, point)
    return source


def test_an_unmounted_inbox_stops_alone_and_nothing_is_inferred_from_its_absence(
    mounts: Mounts, make_studio: MakeStudio,
) -> None:
    studio = make_studio(inboxes={NAME: {}, "other": {}})
    source = share(mounts, studio, studio.inbox())
    (source / "show").mkdir()
    (source / "show/a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("show/a.wav")
    studio.service.change(seconds=LONG)
    (source / "show/b.wav").write_bytes(sound("b"))
    studio.wait("show/b.wav", state="waiting")
    assert studio.command("pause", NAME)[0] == 0
    (source / "show/c.wav").write_bytes(sound("c"))
    studio.wait("show/c.wav", state="queued")
    before = studio.states(NAME)

    mounts.unmount(studio.inbox())
    until(lambda: studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}, what=studio.told)
    assert studio.explain("show/a.wav") == ("unavailable", "unavailable")
    (studio.inbox() / "beneath.wav").write_bytes(sound("beneath"))  # onto the disk beneath
    studio.ready()
    (studio.inbox("other") / "d.wav").write_bytes(sound("d"))
    studio.wait("d.wav", name="other")  # the others go on
    studio.wait("show/b.wav")  # what is paid for is still fetched
    assert studio.states(NAME) == before | {"show/b.wav": "delivered"}
    assert names(studio.inbox()) == {"beneath.wav"}

    mounts.bind(source, studio.inbox())
    until(lambda: not studio.halts(), what=studio.told)
    assert studio.command("resume", NAME)[0] == 0
    (source / "e.wav").write_bytes(sound("e"))
    studio.wait("show/a.wav", "show/b.wav", "show/c.wav", "e.wav")
    assert studio.service.charges == 5
    assert studio.stop() == 0
    studio.check()


def test_nothing_lands_on_the_disk_beneath_an_unmounted_outbox(mounts: Mounts, studio: Studio) -> None:
    source = share(mounts, studio, studio.outbox())
    studio.service.change(seconds=LONG)
    studio.start()
    for name in ("a.wav", "b.mp3"):
        (studio.inbox() / name).write_bytes(sound("a") if name == "a.wav" else b"no sound at all")
    studio.wait("a.wav", state="waiting")
    until(lambda: "b.mp3.error.json" in names(source), what=studio.told)

    mounts.unmount(studio.outbox())
    until(lambda: studio.halts() == {f"inbox:{NAME}:outbox": "outbox_unavailable"}, what=studio.told)
    studio.ready()
    until(lambda: studio.states()["a.wav"].startswith("downloading"), what=studio.told)
    (studio.inbox() / "c.wav").write_bytes(sound("c"))
    studio.wait("c.wav", state="queued")  # nothing new is begun
    assert studio.service.charges == 1
    assert names(studio.outbox()) == set()

    mounts.bind(source, studio.outbox())
    until(lambda: not studio.halts(), what=studio.told)
    studio.skip(16)
    studio.wait("a.wav", "c.wav")
    assert studio.service.charges == 2
    assert studio.stop() == 0
    studio.check()


def test_an_outbox_that_goes_away_in_the_middle_of_a_download_takes_it_up_again(mounts: Mounts, studio: Studio) -> None:
    source = share(mounts, studio, studio.outbox())
    slow = studio.service.fault("download", "throttle", rate=40_000, times=1)
    (studio.inbox() / "a.wav").write_bytes(sound("a", 20))
    studio.start()
    until(lambda: slow.fired and list(source.glob(".diffio-watch-*.part")), what=studio.told)
    mounts.unmount(studio.outbox())
    until(lambda: "disk" in studio.states()["a.wav"] or studio.halts(), what=studio.told)
    assert names(studio.outbox()) == set()
    mounts.bind(source, studio.outbox())
    until(lambda: not studio.halts(), what=studio.told)
    studio.skip(16)
    studio.wait("a.wav")
    assert studio.service.charges == 1
    assert studio.stop() == 0
    studio.check()


def test_a_full_outbox_parks_what_is_paid_for_and_never_pays_again(mounts: Mounts, studio: Studio) -> None:
    mounts.tmpfs(studio.outbox(), "size=8m")
    studio.service.change(seconds=LONG)
    (studio.inbox() / "a.wav").write_bytes(sound("a", 2 * MEGABYTE / 8000))
    studio.start()
    studio.wait("a.wav", state="waiting")
    mounts.change(studio.outbox(), "size=1m")
    studio.ready()
    studio.wait("a.wav", state="downloading: disk")
    assert studio.visible() == set()
    assert studio.explain("a.wav") == ("job", "disk")
    studio.skip(16)
    until(lambda: studio.job("a.wav").parks == 2, what=studio.told)
    mounts.change(studio.outbox(), "size=8m")
    for _ in range(3):
        studio.skip(25)
        until(lambda: studio.events("daemon.started"))
    studio.wait("a.wav")
    assert studio.service.charges == 1
    assert studio.service.calls["generate"] == 1
    assert studio.stop() == 0
    studio.check()


def test_below_min_free_nothing_new_is_begun(mounts: Mounts, make_studio: MakeStudio) -> None:
    studio = make_studio(limits={"min_free": "4MiB"})
    mounts.tmpfs(studio.outbox(), "size=2m")
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    until(lambda: studio.halts() == {f"inbox:{NAME}:outbox": "outbox_full"}, what=studio.told)
    studio.wait("a.wav", state="queued")
    assert studio.service.calls.get("create_project", 0) == 0
    assert studio.json("status")["inboxes"][0]["stopped"]["reason"] == "outbox_full"
    mounts.change(studio.outbox(), "size=16m")
    studio.wait("a.wav")
    assert studio.service.charges == 1


def test_a_read_only_outbox_is_waited_for(mounts: Mounts, studio: Studio) -> None:
    mounts.tmpfs(studio.outbox())
    studio.service.change(seconds=LONG)
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("a.wav", state="waiting")
    mounts.change(studio.outbox(), "ro")
    studio.ready()
    studio.wait("a.wav", state="downloading: disk")
    mounts.change(studio.outbox(), "rw")
    studio.skip(16)
    studio.wait("a.wav")
    assert studio.service.charges == 1
    assert studio.stop() == 0
    studio.check()


def test_a_read_only_inbox_is_known_by_its_mount(mounts: Mounts, studio: Studio) -> None:
    mounts.tmpfs(studio.inbox())
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    mounts.change(studio.inbox(), "ro")
    studio.start()
    studio.wait("a.wav")
    assert not (studio.inbox() / ".diffio-watch").exists()
    mounts.unmount(studio.inbox())
    until(lambda: studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}, what=studio.told)
    (studio.inbox() / "beneath.wav").write_bytes(sound("beneath"))
    mounts.tmpfs(studio.inbox())
    until(lambda: not studio.halts(), what=studio.told)
    (studio.inbox() / "b.wav").write_bytes(sound("b"))
    studio.wait("b.wav")
    assert "beneath.wav" not in studio.states()
    assert studio.service.charges == 2


def test_a_removed_and_recreated_root_is_another_folder_until_it_is_adopted(studio: Studio) -> None:
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("a.wav")
    shutil.rmtree(studio.inbox())
    until(lambda: studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}, what=studio.told)
    studio.inbox().mkdir()
    (studio.inbox() / "b.wav").write_bytes(sound("b"))
    assert studio.explain("b.wav") == ("unavailable", "unavailable")
    assert studio.states() == {"a.wav": "delivered"}
    code, out, err = studio.command("journal", "adopt", NAME, "--yes")
    assert code == 0, out + err
    studio.wait("b.wav")
    assert studio.service.charges == 2


def test_a_root_that_was_moved_away_and_back_goes_on_by_itself(studio: Studio) -> None:
    studio.start()
    away = studio.base / "away"
    studio.inbox().rename(away)
    until(studio.halts, what=studio.told)
    (away / "a.wav").write_bytes(sound("a"))
    away.rename(studio.inbox())
    studio.wait("a.wav")
    assert not studio.halts()
    (studio.inbox() / "b.wav").write_bytes(sound("b"))  # its events come again
    studio.wait("b.wav")


def test_an_archive_that_is_not_mounted_gets_nothing_beneath_and_its_originals_later(
    mounts: Mounts, tmp_path: Path, make_studio: MakeStudio,
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    studio = make_studio(inboxes={NAME: {"originals": "archive", "archive": str(archive)}})
    source = share(mounts, studio, archive)
    studio.service.change(seconds=LONG)
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("a.wav", state="waiting")
    mounts.unmount(archive)
    studio.ready()
    studio.wait("a.wav")
    assert names(archive) == set()
    assert (studio.inbox() / "a.wav").exists()
    mounts.bind(source, archive)
    for _ in range(2):
        studio.skip(20)
    until(lambda: studio.job("a.wav").original == "archived", what=studio.told)
    assert (source / "a.wav").read_bytes() == sound("a")
    assert not (studio.inbox() / "a.wav").exists()
    assert studio.counts()[State.DELIVERED] == 1


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)


def test_a_full_disk_of_the_journal_stops_every_call_until_there_is_room(mounts: Mounts, studio: Studio) -> None:
    studio.state.mkdir()
    mounts.tmpfs(studio.state, "size=32m", "mode=700")
    studio.service.change(seconds=LONG)
    studio.start()
    drop = studio.inbox() / "a.wav"
    drop.write_bytes(sound("a"))
    studio.wait("a.wav", state="waiting")
    filler = studio.state / "filler"
    with pytest.raises(OSError, match="No space"):
        fill(filler)
    for number in range(40):  # more than what SQLite has allocated already
        (studio.inbox() / f"{number}.wav").write_bytes(sound(str(number)))
    until(lambda: studio.events("journal.refused"), what=studio.told)
    until(lambda: studio.events("intake.waits"), what=studio.told)
    calls = studio.service.calls
    studio.ready()  # it would be fetched now
    until(lambda: len(studio.events("intake.waits")) > 1, what=studio.told)
    assert studio.service.calls == calls
    assert studio.events("file.unreadable") == []  # it is no fault of theirs
    filler.unlink()
    studio.skip(6)
    studio.wait("a.wav", *(f"{number}.wav" for number in range(40)), seconds=60)
    assert studio.service.charges == 41
    assert max(studio.service.charges_by_project.values()) == 1
    assert studio.stop() == 0
    studio.check()
