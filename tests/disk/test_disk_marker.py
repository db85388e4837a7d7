"""Whose folder it is, and that it is there."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from diffio_watch.disk import marker
from diffio_watch.disk.marker import FolderGone, FolderMemory, ForeignMarker, Marker, OldJournal, Owner

ME = Owner("01JOURNAL", 1)


def use(root: Path, memory: FolderMemory | None = None, owner: Owner = ME, role: marker.Role = "inbox") -> FolderMemory:
    return marker.check(str(root), role, "podcasts", owner, memory)


def on_disk(root: Path) -> Marker:
    found = marker.read(str(root))
    assert found is not None
    return found


def test_the_first_use_writes_the_marker_and_remembers_the_folder(tmp_path: Path) -> None:
    memory = use(tmp_path)
    assert memory.marked
    assert memory.source
    assert on_disk(tmp_path) == Marker("diffio-watch", "01JOURNAL", "inbox", "podcasts", 1)
    assert use(tmp_path, memory) == memory
    assert [path.name for path in tmp_path.iterdir()] == [".diffio-watch"]


def test_a_folder_that_lost_its_marker_is_not_there_and_gets_no_new_one(tmp_path: Path) -> None:
    memory = use(tmp_path)
    (tmp_path / ".diffio-watch").unlink()
    with pytest.raises(FolderGone, match=r"its marker .* is missing"):
        use(tmp_path, memory)
    assert not (tmp_path / ".diffio-watch").exists()


def test_a_missing_folder_is_not_there_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FolderGone, match="No such file"):
        use(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_file_in_its_place_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"")
    with pytest.raises(FolderGone):
        use(tmp_path / "in")


def test_another_journals_marker_is_refused_and_named_until_it_is_adopted(tmp_path: Path) -> None:
    use(tmp_path, owner=Owner("01OTHER", 9))
    with pytest.raises(ForeignMarker) as refused:
        use(tmp_path)
    assert refused.value.owner == "01OTHER"
    memory = marker.adopt(str(tmp_path), "inbox", "podcasts", ME)
    assert on_disk(tmp_path).journal == "01JOURNAL"
    assert use(tmp_path, memory) == memory


def test_each_start_raises_the_counter_and_an_older_journal_finds_out(tmp_path: Path) -> None:
    memory = use(tmp_path)
    use(tmp_path, memory, replace(ME, counter=7))
    assert on_disk(tmp_path).counter == 7
    with pytest.raises(OldJournal, match="old copy"):
        use(tmp_path, memory, replace(ME, counter=6))
    assert use(tmp_path, memory, replace(ME, counter=7)) == memory


@pytest.mark.parametrize(("role", "name"), [("outbox", "podcasts"), ("inbox", "radio")])
def test_two_folders_of_this_journal_that_changed_places_are_not_there(
    tmp_path: Path, role: marker.Role, name: str,
) -> None:
    marker.check(str(tmp_path), role, name, ME, None)
    with pytest.raises(FolderGone, match=f"the {role} of {name}"):
        use(tmp_path)


def test_a_marker_found_by_a_journal_that_forgot_it_is_taken_for_what_it_is(tmp_path: Path) -> None:
    """The marker is written before the journal remembers it, and the power may go in between."""
    first = use(tmp_path)
    assert use(tmp_path, None) == first


@pytest.mark.parametrize("content", [
    b"{", b"[]", b"null", b"{}", b"\xff\xfe", b" " * 5000, b"[" * 4000,
    json.dumps({"program": "other", "journal": "x", "role": "inbox", "name": "podcasts", "counter": 1}).encode(),
    json.dumps({"program": "diffio-watch", "journal": "01JOURNAL", "role": "inbox", "name": "podcasts",
                "counter": "1"}).encode(),
])
def test_a_damaged_marker_is_not_written_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".diffio-watch").write_bytes(content)
    with pytest.raises(FolderGone, match="damaged"):
        use(tmp_path)
    assert (tmp_path / ".diffio-watch").read_bytes() == content


def test_an_empty_marker_is_nobodys_for_the_power_went_at_its_first_writing(tmp_path: Path) -> None:
    (tmp_path / ".diffio-watch").touch()
    use(tmp_path)
    assert on_disk(tmp_path).journal == "01JOURNAL"


def test_a_marker_that_is_a_link_or_a_fifo_is_none(tmp_path: Path) -> None:
    use(tmp_path)
    (tmp_path / "true").mkdir()
    (tmp_path / ".diffio-watch").rename(tmp_path / "true" / "m")
    (tmp_path / ".diffio-watch").symlink_to("true/m")
    with pytest.raises(FolderGone):
        use(tmp_path)
    (tmp_path / ".diffio-watch").unlink()
    os.mkfifo(tmp_path / ".diffio-watch")
    with pytest.raises(FolderGone, match="no regular file"):
        use(tmp_path)


def test_a_link_laid_where_the_temporary_marker_goes_leads_nowhere(tmp_path: Path) -> None:
    memory = use(tmp_path)
    (tmp_path / "dear").write_text("dear")
    os.link(tmp_path / "dear", tmp_path / ".diffio-watch.01JOURNAL.tmp")
    use(tmp_path, memory, replace(ME, counter=2))
    assert (tmp_path / "dear").read_text() == "dear"
    assert on_disk(tmp_path).counter == 2


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


def test_a_read_only_inbox_is_known_by_its_mount_source(read_only: Path) -> None:
    try:
        memory = use(read_only)
        assert not memory.marked
        assert use(read_only, memory) == memory
        with pytest.raises(FolderGone, match="//nas/share is not mounted there"):
            use(read_only, replace(memory, source="//nas/share"))
    finally:
        subprocess.run(["umount", read_only], check=False, capture_output=True)
    if memory.source == "first":
        with pytest.raises(FolderGone, match="first is not mounted there"):
            use(read_only, memory)


def test_a_read_only_outbox_is_not_there(read_only: Path) -> None:
    try:
        with pytest.raises(FolderGone, match="can't be written"):
            use(read_only, role="outbox")
    finally:
        subprocess.run(["umount", read_only], check=False, capture_output=True)


def test_a_mount_point_that_is_known_and_not_mounted_gets_no_marker(tmp_path: Path) -> None:
    system, inbox = tmp_path / "system", tmp_path / "nas" / "inbox"
    inbox.mkdir(parents=True)
    (system / "etc").mkdir(parents=True)
    (system / "etc" / "fstab").write_text(f"nas:/x {tmp_path / 'nas'} nfs defaults 0 0\n")
    with pytest.raises(FolderGone, match="nas is known to the system as a mount point and is not mounted"):
        marker.check(str(inbox), "inbox", "podcasts", ME, None, system)
    assert list(inbox.iterdir()) == []


def test_inspecting_writes_nothing(tmp_path: Path) -> None:
    assert marker.inspect(str(tmp_path), "inbox", "podcasts", ME, None) is None
    assert list(tmp_path.iterdir()) == []
    memory = use(tmp_path)
    marker.inspect(str(tmp_path), "inbox", "podcasts", replace(ME, counter=5), memory)
    assert on_disk(tmp_path).counter == 1


def test_many_threads_may_meet_a_folder_for_the_first_time_and_raise_its_counter_at_once(tmp_path: Path) -> None:
    owner, errors = Owner("01JOURNAL", 1), []

    def meet(barrier: threading.Barrier) -> None:
        barrier.wait()
        try:
            marker.check(str(tmp_path), "outbox", "a", owner, None)
        except marker.MarkerError as error:
            errors.append(error)

    for round_ in range(40):
        if round_ % 4 == 0:
            (tmp_path / marker.NAME).unlink(missing_ok=True)
        owner.counter += 1
        barrier = threading.Barrier(6)
        threads = [threading.Thread(target=meet, args=(barrier,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert on_disk(tmp_path) == Marker("diffio-watch", "01JOURNAL", "outbox", "a", 41)


def test_adopting_never_lowers_the_counter_of_ones_own_journal(tmp_path: Path) -> None:
    """An old copy of the journal is no question of whose folder it is."""
    marker.adopt(str(tmp_path), "outbox", "a", Owner("01JOURNAL", 9))
    with pytest.raises(OldJournal):
        marker.adopt(str(tmp_path), "outbox", "a", Owner("01JOURNAL", 8))
    marker.adopt(str(tmp_path), "outbox", "a", Owner("01OTHER", 1))
    (tmp_path / marker.NAME).write_text("damaged")
    marker.adopt(str(tmp_path), "outbox", "a", Owner("01JOURNAL", 1))
