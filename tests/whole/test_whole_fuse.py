"""Filesystems of other programs: a share that hangs, a FUSE mount that is polled, a journal that may not lie there."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from sounds import sound
from whole_mounts import Mounts
from whole_studio import LONG, NAME, MakeStudio, Studio, until

from diffio_watch.daemon import rooms
from diffio_watch.pipeline.file_calls import FileCalls
from diffio_watch.sandbox.state import Seen

POLLED = {"rescan": "200ms"}
PATIENCE = 1.5


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """A file call that takes longer than a second and a half counts as hung."""
    monkeypatch.setattr(rooms, "PATIENCE", PATIENCE)
    call = FileCalls.call.__wrapped__  # type: ignore[attr-defined]  # of a context manager
    monkeypatch.setattr(call, "__defaults__", (PATIENCE,))


def fuse_inbox(mounts: Mounts, studio: Studio, name: str = NAME) -> None:
    source = studio.base / f"{name} of the server"
    source.mkdir()
    mounts.fuse(source, studio.inbox(name))


@pytest.mark.usefixtures("impatient")
def test_a_fuse_mount_is_recognised_and_polled(mounts: Mounts, make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: POLLED})
    fuse_inbox(mounts, studio)
    studio.start()
    report = studio.json("status")["inboxes"][0]
    assert report["watch"] == "polling"
    assert report["filesystem"].startswith("fuse")
    (studio.base / f"{NAME} of the server/a.wav").write_bytes(sound("a"))  # no event comes of it
    studio.wait("a.wav")
    assert studio.service.charges == 1


def test_without_a_setting_a_fuse_mount_is_settled_and_scanned_slowly(mounts: Mounts, make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: {"settle": "auto"}})
    fuse_inbox(mounts, studio)
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    assert studio.reports()[NAME].settle_seconds == 30
    found = studio.json("explain", str(studio.inbox() / "a.wav"))
    assert (found["verdict"], found["because"]["code"]) == ("waiting", "settling")
    assert "30 s" in found["because"]["message"]


@pytest.mark.usefixtures("hasty")
def test_a_hung_inbox_stops_alone_and_goes_on_by_itself(mounts: Mounts, make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: POLLED, "other": {}})
    fuse_inbox(mounts, studio)
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("a.wav", name=NAME)
    mounts.hang(studio.inbox())
    until(lambda: studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}, what=studio.told)
    (studio.inbox("other") / "b.wav").write_bytes(sound("b"))
    studio.wait("b.wav", name="other")
    assert studio.states(NAME) == {"a.wav": "delivered"}
    mounts.go_on(studio.inbox())
    until(lambda: not studio.halts(), what=studio.told)
    (studio.inbox() / "c.wav").write_bytes(sound("c"))
    studio.wait("c.wav", name=NAME)
    assert studio.service.charges == 3
    assert studio.stop() == 0
    studio.check()


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_an_upload_that_hangs_in_its_file_holds_up_nobody_and_is_paid_for_once(
    mounts: Mounts, make_studio: MakeStudio,
) -> None:
    studio = make_studio(inboxes={NAME: POLLED, "other": {}}, limits={"uploads": 2})
    fuse_inbox(mounts, studio)
    studio.service.change(part_bytes=100_000)
    studio.start()

    parts: list[str] = []

    def hang_after_the_first_part(moment: str, seen: Seen) -> None:
        if moment == "effect" and seen.call == "part":
            parts.append(seen.path)
            if len(parts) == 1:
                mounts.hang(studio.inbox())

    studio.service.watch(hang_after_the_first_part)
    for name in ("a.wav", "b.wav", "c.wav"):
        (studio.inbox() / name).write_bytes(sound(name, 40))
    until(lambda: studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}, what=studio.told)
    for name in ("d.wav", "e.wav", "f.wav"):
        (studio.inbox("other") / name).write_bytes(sound(name))
    studio.wait("d.wav", "e.wav", "f.wav", name="other")
    mounts.go_on(studio.inbox())
    studio.wait("a.wav", "b.wav", "c.wav", name=NAME, seconds=40)
    assert studio.service.charges == 6
    assert studio.stop() == 0
    studio.check()


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_a_share_that_never_answers_again_comes_back_with_a_new_mount(
    mounts: Mounts, make_studio: MakeStudio, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All threads that may be lost to it are; unmounted lazily and mounted anew, its jobs go on, the hung one too."""
    monkeypatch.setattr(rooms, "_ANOTHER_PROBE", 0.2)
    monkeypatch.setattr(rooms, "_MOST_PROBES", 3)
    studio = make_studio(inboxes={NAME: POLLED, "other": {}}, limits={"uploads": 2})
    fuse_inbox(mounts, studio)
    studio.service.change(part_bytes=100_000)
    studio.start()

    def hang_at_a_part(moment: str, seen: Seen) -> None:
        if moment == "effect" and seen.call == "part" and seen.path and not hung:
            hung.append(seen.path)
            mounts.hang(studio.inbox())

    hung: list[str] = []
    studio.service.watch(hang_at_a_part)
    (studio.inbox() / "a.wav").write_bytes(sound("a", 40))
    until(lambda: studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}, what=studio.told)
    probes = f"intake-{NAME}"
    until(lambda: sum(one.name == probes for one in threading.enumerate()) >= 3, 40, studio.told)
    old = mounts.servers.pop(studio.inbox())
    mounts.servers[studio.base / "the old server"] = old
    mounts.unmount(studio.inbox())
    mounts.fuse(studio.base / f"{NAME} of the server", studio.inbox())
    (studio.inbox() / "b.wav").write_bytes(sound("b"))
    studio.wait("a.wav", "b.wav", name=NAME, seconds=40)
    assert not studio.halts()
    old.send_signal(signal.SIGCONT)  # what hung comes back after all, and does nothing more
    (studio.inbox() / "c.wav").write_bytes(sound("c"))
    studio.wait("c.wav", name=NAME)
    assert studio.service.charges == 3
    assert studio.stop() == 0
    studio.check()


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_a_hung_outbox_keeps_what_is_paid_for(mounts: Mounts, make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: {}, "other": {}})
    source = studio.base / "outbox of the server"
    source.mkdir()
    mounts.fuse(source, studio.outbox())
    studio.service.change(seconds=LONG)
    studio.start()
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.wait("a.wav", state="waiting", name=NAME)
    mounts.hang(studio.outbox())
    studio.ready()
    until(studio.halts, what=studio.told)
    (studio.inbox("other") / "b.wav").write_bytes(sound("b"))
    studio.wait("b.wav", name="other")
    mounts.go_on(studio.outbox())
    until(lambda: not studio.halts(), what=studio.told)
    studio.skip(16)
    studio.wait("a.wav", name=NAME)
    assert studio.service.charges == 2
    assert studio.stop() == 0
    studio.check()


@pytest.mark.slow
def test_a_share_that_hangs_from_the_start_delays_no_other(mounts: Mounts, make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: POLLED, "other": {}})
    fuse_inbox(mounts, studio)
    studio.launch()
    until(lambda: studio.reports().get(NAME), what=studio.told)
    assert studio.end()[0] == 0
    mounts.hang(studio.inbox())
    studio.launch()
    (studio.inbox("other") / "b.wav").write_bytes(sound("b"))
    studio.wait("b.wav", name="other", seconds=60)
    assert studio.end()[0] == 0, "it waits for no share"


@pytest.mark.slow(35)
def test_a_hang_is_noticed_with_the_patience_that_users_have_and_the_daemon_ends_in_time(
    mounts: Mounts, make_studio: MakeStudio,
) -> None:
    studio = make_studio(inboxes={NAME: {"rescan": "2s"}, "other": {}})
    fuse_inbox(mounts, studio)
    studio.launch()
    until(lambda: len(studio.reports()) == 2, what=studio.told)
    mounts.hang(studio.inbox())

    def noticed() -> bool:
        time.sleep(0.1)  # half a minute of looks at the usual pace takes seconds of a core
        return studio.halts() == {f"inbox:{NAME}:inbox": "unavailable"}

    until(noticed, 60, studio.told)
    assert studio.end(signal.SIGINT)[0] == 0


def test_a_journal_on_a_fuse_mount_is_refused(mounts: Mounts, studio: Studio) -> None:
    source = studio.base / "state of the server"
    source.mkdir()
    studio.state.mkdir()
    mounts.fuse(source, studio.state)
    process = studio.launch()
    assert process.wait(20) == 2
    assert "network filesystem (fuse" in studio.log_file.read_text()
    assert os.listdir(source) == []  # noqa: PTH208 - names are all that is asked for
