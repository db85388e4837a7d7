"""Full, read-only, unmounted: the outbox says so, loses nothing and writes nowhere else."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from outbox_studio import RESULTS, Studio, deliver, fetch, fetched, reserve

from diffio_watch.disk.marker import FolderGone
from diffio_watch.disk.trouble import Trouble
from diffio_watch.job import Because, Output, State
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.outbox.names import temp_name

MEBIBYTE = 1 << 20


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """With an outbox that is a mount of its own, of one mebibyte, and has a marker."""
    made = Studio(tmp_path)
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small filesystem")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", made.root], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.strip()}")
    (made.root / ".diffio-watch").touch()
    yield made
    subprocess.run(["umount", "-l", made.root], check=False, capture_output=True)  # a test may have unmounted it


def marked(studio: Studio) -> None:
    """The check that the daemon hands in, in its shortest form."""
    if not (studio.root / ".diffio-watch").exists():
        raise FolderGone("its marker is missing")


def test_a_full_disk_is_told_and_the_download_goes_on_when_there_is_room(studio: Studio) -> None:
    outbox = studio.outbox()
    ballast = studio.root / "ballast"
    ballast.write_bytes(b"x" * (MEBIBYTE - 256 * 1024))
    data = b"y" * (MEBIBYTE // 2)
    job = reserve(outbox, studio.job(), {"audio": data})
    with pytest.raises(DiskTrouble, match="No space left") as caught, outbox.temp(job, job.outputs[0]) as temp:
        temp.write(data)
    assert caught.value.kind is Trouble.FULL
    assert caught.value.errno == errno.ENOSPC
    assert studio.visible() == {"ballast": ballast.read_bytes()}
    assert outbox.free() < 64 * 1024
    ballast.unlink()
    with outbox.temp(job, job.outputs[0], resume=True) as temp:
        assert 0 < temp.size < len(data)
        temp.write(data[temp.size:])
        done = temp.finish()
    output = replace(job.outputs[0], size=done.size, sha256=done.sha256, state="fetched")
    outbox.publish(job, output)
    assert studio.visible() == {"show 12/interview.restored.mp3": data}


def test_no_half_sidecar_on_a_full_disk(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    for output in job.outputs:
        outbox.publish(job, output)
    published = tuple(replace(output, state="published") for output in job.outputs)
    job = replace(job, state=State.DELIVERED, outputs=published)
    with (studio.root / "ballast").open("wb", buffering=0) as file:
        assert file.write(b"x" * MEBIBYTE) < MEBIBYTE  # all that is left
    with pytest.raises(DiskTrouble):
        outbox.write_sidecar(job)
    assert not any(path.endswith(".wav.json") for path in studio.files())
    (studio.root / "ballast").unlink()
    outbox.write_sidecar(job)
    assert not any(".part" in path for path in studio.files())


def test_a_read_only_disk_is_trouble_and_heals(studio: Studio) -> None:
    outbox = studio.outbox()
    job = fetched(outbox, studio.job())
    failed = replace(studio.job("b.wav"), state=State.FAILED, because=Because("empty", "a", "b"))
    subprocess.run(["mount", "-o", "remount,ro", studio.root], check=True)
    for use in (lambda: outbox.publish(job, job.outputs[0]), lambda: outbox.write_error(failed),
                lambda: outbox.clean(job)):
        with pytest.raises(DiskTrouble, match="Read-only"):
            use()
    subprocess.run(["mount", "-o", "remount,rw", studio.root], check=True)
    deliver(outbox, job)


def test_nothing_lands_on_the_disk_beneath_an_unmounted_outbox(studio: Studio) -> None:
    outbox = studio.outbox(lambda: marked(studio))
    job = fetched(outbox, studio.job())
    failed = replace(studio.job("b.wav"), state=State.FAILED, because=Because("empty", "a", "b"))
    subprocess.run(["umount", studio.root], check=True)
    for use in (lambda: reserve(outbox, job), lambda: outbox.publish(job, job.outputs[0]),
                lambda: outbox.unpublish(job, job.outputs[0]), lambda: outbox.write_error(failed),
                lambda: outbox.temp(job, job.outputs[0]), lambda: outbox.sweep(lambda _: False), outbox.free):
        with pytest.raises(OutboxGone):
            use()
    assert list(studio.root.iterdir()) == []


def test_an_unmount_between_check_and_write_can_not_redirect_the_write(studio: Studio) -> None:
    """The root was opened before the check; a lazy unmount in the check leaves only the path pointing beneath."""
    def unmount() -> None:
        subprocess.run(["umount", "-l", studio.root], check=True)

    with pytest.raises(OutboxGone, match="just now"):
        fetch(studio.outbox(unmount), studio.job(), Output("audio", path="a.mp3"), b"x")
    assert list(studio.root.iterdir()) == []


def test_a_mount_that_comes_during_a_download_does_not_mix(studio: Studio) -> None:
    outbox = studio.outbox()
    job = reserve(outbox, studio.job())
    with outbox.temp(job, job.outputs[0]) as temp:
        subprocess.run(["umount", "-l", studio.root], check=True)
        temp.write(b"x")
        temp.finish()
    assert list(studio.root.iterdir()) == []


def test_a_delivery_on_fuse_where_renames_take_no_flags(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs bindfs and /dev/fuse: a filesystem without renameat2's flags")
    view = tmp_path / "view"
    view.mkdir()
    done = subprocess.run(["bindfs", studio.root, view], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"bindfs does not mount here: {done.stderr.strip()}")
    try:
        outbox = studio.outbox(root=view)
        first = deliver(outbox, studio.job())
        assert deliver(outbox, studio.job()).number == 2
        assert first.number == 1
        taken = fetched(outbox, studio.job("c.wav"))
        (studio.root / "c.restored.mp3").write_text("theirs")
        assert deliver(outbox, taken).number == 2
    finally:
        subprocess.run(["fusermount", "-u", "-z", view], check=True)
    assert studio.files()["show 12/interview.restored.mp3"] == RESULTS["audio"]
    assert studio.files()["c.restored.mp3"] == b"theirs"
    assert not any(temp_name(taken.id, "audio") in path for path in studio.files())
