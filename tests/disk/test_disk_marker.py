"""Whose folder it is, and that it is there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from folders import meanwhile, swapped, unmount
from markers import adopt, put_marker

from diffio_watch.disk import marker, marker_file, mounts
from diffio_watch.disk.marker import FolderGone, FolderMemory, ForeignMarker, Marker, OldJournal, Owner
from diffio_watch.journal import Journal


class House:
    """A journal, and folders that are used by it or by another one."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True)
        self.state = state
        self.book = Journal.open(state, create=True)
        self.me = Owner(self.book.id, 1)

    def use(self, root: Path, role: marker.Role = "inbox", name: str = "podcasts", system: Path = Path("/")) -> None:
        marker.check(str(root), role, name, self.me, self.book.folders, system)

    def memory(self, role: marker.Role = "inbox", name: str = "podcasts") -> FolderMemory:
        found = self.book.folders.get(role, name)
        assert found is not None
        return found

    def put_back(self, copy: Path) -> None:
        """As if this journal had been restored from an older copy of its file."""
        self.book.close()
        shutil.rmtree(self.state)
        shutil.copytree(copy, self.state)
        self.book = Journal.open(self.state)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], House]]:
    made: list[House] = []

    def one(name: str) -> House:
        made.append(House(tmp_path / "journals" / name))
        return made[-1]

    yield one
    for house in made:
        house.book.close()


@pytest.fixture
def house(make: Callable[[str], House]) -> House:
    return make("mine")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def on_disk(root: Path) -> Marker:
    found = marker.read(str(root))
    assert found is not None
    return found


def test_the_first_use_writes_the_marker_and_remembers_the_folder(house: House, root: Path) -> None:
    house.use(root)
    memory = house.memory()
    assert memory.marked
    assert memory.source
    assert replace(on_disk(root), seal="") == Marker("diffio-watch", house.book.id, "inbox", "podcasts", 1)
    house.use(root)
    assert house.memory() == memory
    assert [path.name for path in root.iterdir()] == [".diffio-watch"]


def test_a_folder_that_lost_its_marker_is_not_there_and_gets_no_new_one(house: House, root: Path) -> None:
    house.use(root)
    (root / ".diffio-watch").unlink()
    with pytest.raises(FolderGone, match=r"its marker .* is missing"):
        house.use(root)
    assert not (root / ".diffio-watch").exists()


def test_a_missing_folder_is_not_there_and_is_not_made(house: House, root: Path) -> None:
    with pytest.raises(FolderGone, match="No such file"):
        house.use(root / "none")
    assert not (root / "none").exists()


def test_a_file_in_its_place_is_no_folder(house: House, root: Path) -> None:
    (root / "in").write_bytes(b"")
    with pytest.raises(FolderGone):
        house.use(root / "in")


def test_another_journals_marker_is_refused_and_named_until_it_is_adopted(
    make: Callable[[str], House], house: House, root: Path,
) -> None:
    other = make("other")
    other.me.counter = 9
    other.use(root)
    with pytest.raises(ForeignMarker) as refused:
        house.use(root)
    assert refused.value.owner == other.book.id
    adopt(root, "inbox", "podcasts", Owner(house.book.id, 0), house.book)
    assert on_disk(root).journal == house.book.id
    house.use(root)
    assert on_disk(root).counter == 1


def test_each_start_raises_the_counter_and_an_older_journal_finds_out(house: House, root: Path, tmp_path: Path) -> None:
    house.use(root)
    kept = shutil.copytree(house.state, tmp_path / "kept")
    house.me.counter = 7
    house.use(root)
    assert on_disk(root).counter == 7
    house.put_back(kept)
    with pytest.raises(OldJournal, match="old copy"):
        house.use(root)


def test_an_old_copy_does_not_catch_up_with_the_marker_of_a_folder_that_it_does_not_see(
    house: House, root: Path, tmp_path: Path,
) -> None:
    """What it counts at starts and for other folders says nothing about what it wrote here."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    house.use(root)
    house.use(elsewhere, name="radio")
    kept = shutil.copytree(house.state, tmp_path / "kept")
    house.me.counter = 7
    house.use(root)
    house.put_back(kept)
    for counter in (8, 9):
        house.me.counter = counter
        house.use(elsewhere, name="radio")
        with pytest.raises(OldJournal):
            house.use(root)
    assert on_disk(root).counter == 7


def test_a_copy_from_before_the_folder_was_used_is_an_old_one_too(house: House, root: Path, tmp_path: Path) -> None:
    kept = shutil.copytree(house.state, tmp_path / "kept")
    house.use(root)
    house.put_back(kept)
    house.me.counter = 9
    with pytest.raises(OldJournal):
        house.use(root)


@pytest.mark.parametrize("first", [True, False])
def test_a_counter_is_remembered_before_the_marker_says_it(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch, *, first: bool,
) -> None:
    """So that a crash in between leaves a journal that nothing accuses."""
    if not first:
        house.use(root)
        house.me.counter = 4
    wanted, written = house.me.counter, []

    def crash(_: int, marker: Marker, **_more: Marker) -> None:
        written.append((marker.counter, house.book.folders.count_of("inbox", "podcasts")))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(marker_file, "create" if first else "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            house.use(root)
    assert written == [(wanted, wanted)]
    house.use(root)
    assert on_disk(root).counter == wanted


@pytest.mark.parametrize(("role", "name"), [("outbox", "podcasts"), ("inbox", "radio")])
def test_two_folders_of_this_journal_that_changed_places_are_not_there(
    house: House, root: Path, role: marker.Role, name: str,
) -> None:
    house.use(root, role, name)
    with pytest.raises(FolderGone, match=f"the {role} of {name}"):
        house.use(root)


def test_a_marker_found_by_a_journal_that_forgot_it_is_taken_for_what_it_is(house: House, root: Path) -> None:
    """The folder is remembered after its marker is written, and the power may go in between."""
    house.use(root)
    first = house.memory()
    house.book.folders.forget("inbox", "podcasts")
    house.use(root)
    assert house.memory() == first


@pytest.mark.parametrize("content", [
    b"{", b"[]", b"null", b"{}", b"\xff\xfe", b" " * 5000, b"[" * 4000,
    json.dumps({"program": "other", "journal": "x", "role": "inbox", "name": "podcasts", "counter": 1}).encode(),
    json.dumps({"program": "diffio-watch", "journal": "01JOURNAL", "role": "inbox", "name": "podcasts",
                "counter": "1"}).encode(),
    *(json.dumps({"program": "diffio-watch", "journal": "x", "role": ["inbox"], "name": "podcasts", "counter": 1}
                 | change).encode() for change in ({}, {"role": "inbox", "counter": 2**70})),
])
def test_a_damaged_marker_is_not_written_over(house: House, root: Path, content: bytes) -> None:
    (root / ".diffio-watch").write_bytes(content)
    with pytest.raises(FolderGone, match="damaged"):
        house.use(root)
    assert (root / ".diffio-watch").read_bytes() == content


def test_an_empty_marker_is_nobodys_for_the_power_went_at_its_first_writing(house: House, root: Path) -> None:
    (root / ".diffio-watch").touch()
    house.use(root)
    assert on_disk(root).journal == house.book.id


def test_a_marker_that_is_a_link_or_a_fifo_is_none(house: House, root: Path) -> None:
    house.use(root)
    (root / "true").mkdir()
    (root / ".diffio-watch").rename(root / "true" / "m")
    (root / ".diffio-watch").symlink_to("true/m")
    with pytest.raises(FolderGone):
        house.use(root)
    (root / ".diffio-watch").unlink()
    os.mkfifo(root / ".diffio-watch")
    with pytest.raises(FolderGone, match="no regular file"):
        house.use(root)


def test_a_link_laid_where_the_temporary_marker_goes_leads_nowhere(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody can guess that name; if somebody could, nothing would be written there."""
    house.use(root)
    (root / "dear").write_text("dear")
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    os.link(root / "dear", root / f".diffio-watch.{house.book.id}.{marker_file._ours()}guessed.tmp")
    house.me.counter = 2
    with pytest.raises(FolderGone, match="can't be written"):
        house.use(root)
    assert (root / "dear").read_text() == "dear"
    assert on_disk(root).counter == 1


def test_what_a_crash_left_of_ones_own_temporary_markers_is_swept_and_nothing_else(house: House, root: Path) -> None:
    left = f".diffio-watch.{house.book.id}."
    under_way = f"{left}{marker_file._ours()}1.tmp"  # another thread of this process is at it
    kept = [".diffio-watch.01OTHER.1-1-1.tmp", "take.tmp", under_way]
    for name in [*kept, f"{left}1-1-1.tmp"]:
        (root / name).touch()
    house.use(root)
    assert {path.name for path in root.iterdir()} == {*kept, marker.NAME}


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """A folder on a read-only filesystem."""
    folder = tmp_path / "ro"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o555)
        return folder
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "first", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("a filesystem can't be mounted here")
    return folder


@pytest.fixture
def mounted(read_only: Path) -> Iterator[Path]:
    """A read-only filesystem whose source is `first`; it may be gone at the end."""
    if not read_only.is_mount():
        pytest.skip("only root mounts")
    yield read_only
    subprocess.run(["umount", read_only], check=False, capture_output=True)


def test_a_read_only_inbox_is_known_by_its_mount_source(house: House, read_only: Path) -> None:
    try:
        house.use(read_only)
        memory = house.memory()
        assert not memory.marked
        house.use(read_only)
        assert house.memory() == memory
        house.book.folders.set(replace(memory, source="//nas/share"))
        with pytest.raises(FolderGone, match="//nas/share is not mounted there"):
            house.use(read_only)
    finally:
        subprocess.run(["umount", read_only], check=False, capture_output=True)
    if memory.source == "first":
        house.book.folders.set(memory)
        with pytest.raises(FolderGone, match="first is not mounted there"):
            house.use(read_only)


def test_a_read_only_outbox_is_not_there(house: House, read_only: Path) -> None:
    try:
        with pytest.raises(FolderGone, match="can't be written"):
            house.use(read_only, "outbox")
    finally:
        subprocess.run(["umount", read_only], check=False, capture_output=True)


def test_a_mount_point_that_is_known_and_not_mounted_gets_no_marker(house: House, tmp_path: Path) -> None:
    system, inbox = tmp_path / "system", tmp_path / "nas" / "inbox"
    inbox.mkdir(parents=True)
    (system / "etc").mkdir(parents=True)
    (system / "etc" / "fstab").write_text(f"nas:/x {tmp_path / 'nas'} nfs defaults 0 0\n")
    with pytest.raises(FolderGone, match="nas is known to the system as a mount point and is not mounted"):
        house.use(inbox, system=system)
    assert list(inbox.iterdir()) == []


def test_inspecting_writes_nothing(house: House, root: Path) -> None:
    assert marker.inspect(str(root), "inbox", "podcasts", house.book.id, house.book.folders) is None
    assert list(root.iterdir()) == []
    assert house.book.folders.get("inbox", "podcasts") is None
    house.use(root)
    found = marker.inspect(str(root), "inbox", "podcasts", house.book.id, house.book.folders)
    assert found == on_disk(root)
    with pytest.raises(ForeignMarker):
        marker.inspect(str(root), "inbox", "podcasts", "", None)


def test_many_threads_may_meet_a_folder_for_the_first_time_and_raise_its_counter_at_once(
    house: House, root: Path,
) -> None:
    errors = []

    def meet(barrier: threading.Barrier) -> None:
        barrier.wait()
        try:
            house.use(root)
        except marker.MarkerError as error:
            errors.append(error)

    for round_ in range(40):
        if round_ % 4 == 0:
            (root / marker.NAME).unlink(missing_ok=True)
            house.book.folders.forget("inbox", "podcasts")
        house.me.counter += 1
        barrier = threading.Barrier(6)
        threads = [threading.Thread(target=meet, args=(barrier,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert on_disk(root).counter == house.book.folders.count_of("inbox", "podcasts") == house.me.counter
    assert errors == []
    assert [path.name for path in root.iterdir()] == [marker.NAME]


@pytest.mark.parametrize("call", ["create", "replace"])
def test_a_thread_that_hangs_while_it_writes_the_marker_stops_no_other_one(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch, call: str,
) -> None:
    """It hangs with its share, for good where that is mounted anew."""
    if call == "replace":
        house.use(root)
        house.me.counter = 2
    real, hangs, over = getattr(marker_file, call), threading.Event(), threading.Event()

    def hang(folder: int, wanted: Marker, **more: Marker) -> None:
        if threading.current_thread() is hung:
            hangs.set()
            assert over.wait(30)
        real(folder, wanted, **more)

    monkeypatch.setattr(marker_file, call, hang)
    hung = threading.Thread(target=house.use, args=(root,), daemon=True)
    hung.start()
    assert hangs.wait(10)
    quick = threading.Thread(target=house.use, args=(root,), daemon=True)
    quick.start()
    quick.join(10)
    assert not quick.is_alive()
    assert on_disk(root).counter == house.me.counter
    over.set()
    hung.join(10)
    house.use(root)
    assert house.memory().marked


@pytest.mark.parametrize("call", ["create", "replace"])
def test_a_folder_beneath_a_share_that_goes_just_now_gets_no_marker(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch, call: str,
) -> None:
    """With one, it would be taken for the share from then on."""
    if call == "replace":
        house.use(root)
        house.me.counter = 2
    meanwhile(monkeypatch, marker_file, call, before=lambda: swapped(root))
    house.use(root)
    assert on_disk(root.parent / "share").counter == house.me.counter
    assert list(root.iterdir()) == []
    with pytest.raises(FolderGone, match="missing"):
        house.use(root)


@pytest.mark.parametrize("role", ["inbox", "outbox", "archive"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_found_out_of_a_path_is_of_the_folder_that_gets_the_marker_or_there_is_none(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch, role: marker.Role, when: str,
) -> None:
    """Which mounts the system expects is asked by path, and a share may come or go around that moment."""
    change = {when: lambda: swapped(root)}
    meanwhile(monkeypatch, marker, "expected_but_unmounted", **change)
    with pytest.raises(FolderGone, match="just now"):
        house.use(root, role)
    assert [*root.iterdir(), *(root.parent / "share").iterdir()] == []
    assert house.book.folders.get(role, "podcasts") is None
    house.use(root, role)
    assert on_disk(root).role == role


def test_a_folder_that_is_swapped_while_it_is_adopted_gets_no_marker(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    meanwhile(monkeypatch, marker.Held, "mount", after=lambda: swapped(root))
    with pytest.raises(FolderGone, match="just now"):
        adopt(root, "inbox", "podcasts", house.me, house.book)
    assert [*root.iterdir(), *(root.parent / "share").iterdir()] == []


def test_the_mount_point_of_a_read_only_inbox_that_is_unmounted_just_now_is_never_taken_for_it(
    house: House, mounted: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing but the mount's source tells them apart, and only what lies beneath can be written."""
    house.use(mounted)
    memory = house.memory()
    with monkeypatch.context() as patch:
        meanwhile(patch, marker.Held, "mount", after=lambda: unmount(mounted))
        with pytest.raises(FolderGone, match="just now"):
            house.use(mounted)
    with pytest.raises(FolderGone, match="first is not mounted there"):
        house.use(mounted)
    assert list(mounted.iterdir()) == []
    assert house.memory() == memory


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_read_only_inbox_that_is_unmounted_at_its_first_use_is_remembered_by_its_own_mount(
    house: House, mounted: Path, monkeypatch: pytest.MonkeyPatch, when: str,
) -> None:
    change = {when: lambda: unmount(mounted)}
    meanwhile(monkeypatch, marker_file, "create", **change)
    house.use(mounted)
    assert (house.memory().source, house.memory().marked) == ("first", False)
    assert list(mounted.iterdir()) == []
    with pytest.raises(FolderGone, match="first is not mounted there"):
        house.use(mounted)


def test_a_read_only_inbox_that_is_mounted_just_now_leaves_nothing_beneath(
    house: House, mounted: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    house.use(mounted)
    unmount(mounted)
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "first", str(mounted)]
    with monkeypatch.context() as patch:
        meanwhile(patch, marker.Held, "mount", before=lambda: subprocess.run(mount, check=True))
        with pytest.raises(FolderGone, match="first is not mounted there"):
            house.use(mounted)
    house.use(mounted)
    unmount(mounted)
    assert list(mounted.iterdir()) == []


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


@pytest.mark.parametrize("folder", ["shown", "shown/deep"])
def test_a_read_only_part_of_a_disk_is_told_from_the_disk_that_it_is_mounted_on(
    house: House, mounted: Path, tmp_path: Path, folder: str,
) -> None:
    """Both have one source."""
    unmount(mounted)
    root, part = tmp_path / folder, tmp_path / "part" / folder
    for path in (root, part):
        path.mkdir(parents=True)
        (path / "a.wav").touch()
    point = tmp_path / "shown"
    mount("--bind", tmp_path / "part" / "shown", point)
    try:
        mount("-o", "remount,bind,ro", point)
        house.use(root)
        house.use(root)
        assert house.memory().source.endswith(f"/part/{folder}]")
    finally:
        unmount(point)
    with pytest.raises(FolderGone, match=rf"/part/{folder}\] is not mounted there, but "):
        house.use(root)
    assert [path.name for path in root.iterdir() if path.is_file()] == ["a.wav"]


def test_a_mount_that_is_hidden_by_another_one_above_it_does_not_speak_for_that(
    house: House, mounted: Path, tmp_path: Path,
) -> None:
    """By its path the hidden one is the nearer."""
    unmount(mounted)
    nas, root = tmp_path / "nas", tmp_path / "nas" / "in"
    root.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "ro", "share", root)
    try:
        house.use(root)
        mount("-t", "tmpfs", "other", nas)
        try:
            root.mkdir()
            with pytest.raises(FolderGone, match="share is not mounted there, but other"):
                house.use(root)
            assert list(root.iterdir()) == []
        finally:
            unmount(nas)
        house.use(root)
        assert not house.memory().marked
    finally:
        unmount(root)


@pytest.fixture
def readable(mounted: Path) -> Path:
    """A folder with a recording on a disk that can't be written."""
    root = mounted / "studio" / "in"
    mount("-o", "remount,rw", mounted)
    root.mkdir(parents=True)
    (root / "a.wav").touch()
    mount("-o", "remount,ro", mounted)
    return root


def test_a_read_only_inbox_is_the_same_through_a_bind_mount_above_it(house: House, readable: Path) -> None:
    """As a systemd unit has one of what it may write, and commands of a person do not."""
    house.use(readable)
    memory = house.memory()
    assert memory.source == "first[/studio/in]"
    for above in (readable.parent, readable.parents[1], readable):
        mount("--bind", above, above)
        try:
            house.use(readable)
            assert marker.inspect(str(readable), "inbox", "podcasts", house.book.id, house.book.folders) is None
            assert house.memory() == memory
        finally:
            unmount(above)


@pytest.mark.parametrize("before", ["first", ""])
def test_what_was_remembered_when_less_was_told_of_mounts_counts_still_and_is_made_exact(
    house: House, readable: Path, before: str,
) -> None:
    """Once the folder is surely the one: something lies in it."""
    house.use(readable)
    memory = house.memory()
    house.book.folders.set(replace(memory, source=before))
    house.use(readable)
    assert house.memory() == memory
    house.book.folders.set(replace(memory, source=before))
    mount("-o", "remount,rw", readable.parents[1])
    (readable / "a.wav").unlink()
    mount("-o", "remount,ro", readable.parents[1])
    house.use(readable)
    assert house.memory().source == before


def test_a_read_only_inbox_whose_mount_point_the_system_knows_is_waited_for(
    house: House, mounted: Path, tmp_path: Path,
) -> None:
    """Whatever the mount beneath says."""
    house.use(mounted)
    unmount(mounted)
    (tmp_path / "system" / "etc").mkdir(parents=True)
    (tmp_path / "system" / "etc" / "fstab").write_text(f"first {mounted} nfs ro 0 0\n")
    with pytest.raises(FolderGone, match="is known to the system as a mount point and is not mounted"):
        house.use(mounted, system=tmp_path / "system")
    with pytest.raises(FolderGone, match="is known to the system as a mount point and is not mounted"):
        adopt(mounted, "inbox", "podcasts", house.me, house.book, system=tmp_path / "system")
    assert list(mounted.iterdir()) == []


def test_an_empty_folder_that_can_hold_no_marker_is_no_inbox_until_something_lies_in_it(
    house: House, mounted: Path,
) -> None:
    """It may as well be the mount point of a share that is not there yet: that would lock the share out."""
    root = mounted / "in"
    mount("-o", "remount,rw", mounted)
    root.mkdir()
    mount("-o", "remount,ro", mounted)
    for _ in range(2):
        with pytest.raises(marker.FolderUnsure, match="it is empty and can't be written"):
            house.use(root)
        with pytest.raises(marker.FolderUnsure, match="it is empty and can't be written"):
            marker.inspect(str(root), "inbox", "podcasts", house.book.id, house.book.folders)
    assert house.book.folders.get("inbox", "podcasts") is None
    mount("-o", "remount,rw", mounted)
    (root / "a.wav").touch()
    mount("-o", "remount,ro", mounted)
    house.use(root)
    mount("-o", "remount,rw", mounted)
    (root / "a.wav").unlink()
    mount("-o", "remount,ro", mounted)
    house.use(root)
    assert not house.memory().marked


def test_where_the_system_does_not_tell_what_is_mounted_nothing_is_remembered_of_it(
    house: House, mounted: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(mounts, "_read", lambda _: "")
        with pytest.raises(marker.FolderUnsure, match="does not tell what is mounted"):
            house.use(mounted)
    assert house.book.folders.get("inbox", "podcasts") is None
    house.use(mounted)
    assert house.memory().source == "first"


def test_a_folder_that_another_journal_took_over_since_it_was_looked_at_is_not_adopted(
    make: Callable[[str], House], house: House, root: Path,
) -> None:
    """A person was asked about what was there before."""
    make("other").use(root)
    with marker.hold(str(root)) as folder:
        seen = marker.read(folder.fd)
        adopt(root, "inbox", "x", Owner("01THIRD", 1), house.book)
        with pytest.raises(FolderGone, match="took it over just now"):
            marker.adopt(folder, seen, "inbox", "podcasts", house.me, house.book.folders)
    assert on_disk(root).journal == "01THIRD"


def test_a_full_disk_leaves_the_marker_as_it_is_and_the_folder_there(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    house.use(root)
    house.me.counter = 2

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(marker_file, "_fresh", full)
    house.use(root)
    assert on_disk(root).counter == 1


def test_adopting_does_not_help_an_old_copy_over_its_marker(
    make: Callable[[str], House], house: House, root: Path, tmp_path: Path,
) -> None:
    """That is no question of whose folder it is; and of a renamed inbox it is asked by the name in the marker."""
    def take(owner: House, name: str = "podcasts") -> None:
        count = owner.book.folders.count_of("inbox", name)
        adopt(root, "inbox", name, Owner(owner.book.id, count), owner.book)

    house.use(root)
    kept = shutil.copytree(house.state, tmp_path / "kept")
    house.me.counter = 9
    house.use(root)
    take(house, "radio")
    house.use(root, name="radio")
    assert on_disk(root).counter == 9
    house.put_back(kept)
    for name in ("podcasts", "radio"):
        with pytest.raises(OldJournal):
            take(house, name)
    take(make("other"))
    (root / marker.NAME).write_text("damaged")
    take(house)
    assert on_disk(root).counter == 1


@pytest.mark.parametrize("counter", [2, 500, 10**9, 2**39, 2**40 - 1])
@pytest.mark.parametrize("strip", [True, False])
def test_a_counter_that_others_edited_is_a_damaged_marker_and_not_an_old_copy(
    house: House, root: Path, counter: int, *, strip: bool,
) -> None:
    """Whoever may write into the share must not stop the whole service, nor take the folder away for good."""
    house.use(root)
    edited = json.loads((root / marker.NAME).read_bytes()) | {"counter": counter} | ({"seal": ""} if strip else {})
    (root / marker.NAME).write_text(json.dumps(edited))
    for _ in range(2):
        with pytest.raises(FolderGone, match="damaged"):
            house.use(root)
    adopt(root, "inbox", "podcasts", Owner(house.book.id, 1), house.book)
    house.use(root)
    assert on_disk(root).counter == 1


def test_a_seal_is_of_one_folder_and_one_counter(house: House, root: Path, tmp_path: Path) -> None:
    """A true marker of another folder of this journal says nothing here."""
    other = tmp_path / "other"
    other.mkdir()
    house.use(root)
    house.me.counter = 7
    house.use(other, name="radio")
    moved = replace(on_disk(other), name="podcasts")
    put_marker(root, moved)
    with pytest.raises(FolderGone, match="damaged"):
        house.use(root)


@pytest.mark.parametrize(("counter", "old"), [(900, True), (10**9, False)])
def test_a_counter_from_before_there_were_seals_is_judged_by_its_height(
    house: House, root: Path, *, counter: int, old: bool,
) -> None:
    """A copy of a journal of the first version is an old one still; no young one has come to a thousand million."""
    (root / marker.NAME).write_text(json.dumps({
        "program": "diffio-watch", "journal": house.book.id, "role": "inbox", "name": "podcasts", "counter": counter}))
    with pytest.raises(OldJournal if old else FolderGone):
        house.use(root)


def test_a_marker_without_a_seal_gets_one(house: House, root: Path) -> None:
    house.use(root)
    (root / marker.NAME).write_text(json.dumps({
        "program": "diffio-watch", "journal": house.book.id, "role": "inbox", "name": "podcasts", "counter": 1}))
    house.use(root)
    assert on_disk(root).genuine(house.book.secret)


@pytest.mark.parametrize("change", [
    {"name": "a\0b"}, {"name": "x" * 300}, {"journal": "\ud800"}, {"role": "innbox"}, {"name": ""}, {"journal": 7},
    {"counter": True}, {"counter": -1}, {"counter": 1.5}, {"counter": 2**40}, {"counter": float("nan")},
])
def test_words_and_numbers_that_this_program_never_wrote_are_damage(
    house: House, root: Path, change: dict[str, object],
) -> None:
    house.use(root)
    told = json.loads((root / marker.NAME).read_bytes())
    (root / marker.NAME).write_text(json.dumps(told | change))
    with pytest.raises(FolderGone, match="damaged"):
        house.use(root)


@pytest.mark.parametrize("keeper", [None, [], "x", {"user": 7, "pid": "1"}, {"user": "\x1b[31m", "pid": 2**70},
                                    {"host": "h" * 5000, "pid": True}, {"state_dir": "a\nb", "pid": -1}])
def test_what_a_marker_says_of_its_keeper_is_only_ever_told(house: House, root: Path, keeper: object) -> None:
    house.use(root)
    told = json.loads((root / marker.NAME).read_bytes()) | {"keeper": keeper, "seal": [1]}
    (root / marker.NAME).write_text(json.dumps(told)[:4000] if len(json.dumps(told)) < 4000 else json.dumps(
        told | {"keeper": {"host": "h" * 900}}))
    found = on_disk(root)
    assert found.keeper.pid == 0
    assert len(found.keeper.host) <= 64
    assert str(found.keeper).isprintable()
    house.use(root)


def test_a_marker_tells_who_keeps_the_journal(house: House, root: Path) -> None:
    house.me.keeper = marker.Keeper.here(house.state, runs=True)
    house.use(root)
    keeper = on_disk(root).keeper
    assert keeper == house.me.keeper
    assert str(house.state) in str(keeper)
    assert keeper.pid == os.getpid()


def test_a_marker_that_a_command_wrote_gets_the_daemons_name_again(house: House, root: Path) -> None:
    house.me.keeper = marker.Keeper.here(house.state, runs=True)
    house.use(root)
    adopt(root, "inbox", "podcasts", Owner(house.book.id, 1), house.book)
    assert on_disk(root).keeper == marker.Keeper()
    house.use(root)
    assert on_disk(root).keeper == house.me.keeper


def test_a_daemon_that_works_shows_life_at_its_markers(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    house.me.keeper = marker.Keeper.here(house.state, runs=True)
    house.use(root)
    os.utime(root / marker.NAME, (1, 1))
    house.use(root)
    assert on_disk(root).seen_at == 1  # not at each look
    monkeypatch.setattr(marker, "_touched", {})  # some minutes later
    house.use(root)
    assert abs(on_disk(root).seen_at - time.time()) < 60


def test_who_works_at_a_folder_is_told_by_its_process_and_elsewhere_by_its_last_sign() -> None:
    here = marker.Keeper.here(Path("/state"), runs=True)
    with subprocess.Popen(["sleep", "60"]) as other:
        running = replace(here, pid=other.pid)
        assert running.works(1000.0, 1100.0)
        assert not running.works(1000.0, 1000.0 + 901)  # another program has its number by now
        other.kill()
    assert not running.works(1000.0, 1100.0)
    assert not here.works(1000.0, 1100.0)  # this very process
    far = replace(running, machine="0" * 16)
    assert far.works(1000.0, 1100.0)
    assert far.works(1100.0, 1000.0)  # its clock is ahead
    assert not far.works(1000.0, 2000.0)
    assert not replace(far, pid=0).works(1000.0, 1100.0)  # a command wrote it


def test_a_read_only_inbox_gets_its_marker_as_soon_as_it_can_be_written(house: House, read_only: Path) -> None:
    try:
        house.use(read_only)
        assert not house.memory().marked
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", "remount,rw", str(read_only)], check=True)
        else:
            read_only.chmod(0o755)
        house.use(read_only)
        assert on_disk(read_only).journal == house.book.id
        assert house.memory().marked
        (read_only / marker.NAME).unlink()
        with pytest.raises(FolderGone, match="missing"):
            house.use(read_only)
    finally:
        subprocess.run(["umount", read_only], check=False, capture_output=True)
