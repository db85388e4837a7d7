"""Before money is spent it is known under which names its result can stand, and that its folder takes it."""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House
from sounds import sound

from diffio_watch.disk import durable
from diffio_watch.job import State
from diffio_watch.outbox import names
from diffio_watch.sandbox import Sandbox


@dataclass(frozen=True)
class Picky:
    """What a filesystem refuses: names with one of these characters, over so many bytes, and by which error."""

    characters: str = ""
    longest: int = 255
    number: int = errno.EINVAL
    ascii_only: bool = False

    def refuses(self, name: str) -> int | None:
        name = name.rpartition("/")[2]
        if len(os.fsencode(name)) > self.longest:
            return errno.ENAMETOOLONG
        odd = any(char in self.characters for char in name) or (self.ascii_only and not name.isascii())
        return self.number if odd or (self.characters and name.endswith((".", " ")) and len(name) > 1) else None


FAT = Picky('<>:"|?*')
SMB = Picky('<>:"|?*\\', number=errno.ENOENT)
VETO = Picky(":", number=errno.EACCES)
ENCRYPTED = Picky(longest=143)
LATIN = Picky(ascii_only=True, number=errno.EILSEQ)
LONG = "a very long title of an interview about everything and nothing, part two of three, " * 2
RAW = os.fsdecode(b"t\xe4ke \xff")


@pytest.fixture
def beneath(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Picky], None]:
    """Lets the system refuse names below the outbox as such a filesystem does."""
    opened, made, looked, moved, renamer = os.open, os.mkdir, os.stat, os.rename, durable._renamer()
    assert renamer is not None
    outbox = str(tmp_path / "podcasts" / "out")

    def on(disk: Picky) -> None:
        def asked(name: Any, dir_fd: int | None) -> None:
            if dir_fd is None or not str(Path(f"/proc/self/fd/{dir_fd}").readlink()).startswith(outbox):
                return
            number = disk.refuses(os.fsdecode(name))
            if number is not None:
                raise OSError(number, os.strerror(number), name)

        def open_(name: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            asked(name, dir_fd)
            return opened(name, flags, mode, dir_fd=dir_fd)

        def mkdir(name: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            asked(name, dir_fd)
            made(name, mode, dir_fd=dir_fd)

        def stat(name: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
            asked(name, dir_fd)
            return looked(name, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

        def rename(source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
            asked(target, dst_dir_fd)
            moved(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        def link(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "it has no links")

        def atomic(source_fd: int, source: bytes, target_fd: int, target: bytes) -> int:
            number = disk.refuses(os.fsdecode(target))
            if number is not None:
                ctypes.set_errno(number)
                return -1
            return int(renamer(source_fd, source, target_fd, target))

        monkeypatch.setattr(os, "open", open_)
        monkeypatch.setattr(os, "mkdir", mkdir)
        monkeypatch.setattr(os, "stat", stat)
        monkeypatch.setattr(os, "rename", rename)
        monkeypatch.setattr(os, "link", link)
        monkeypatch.setattr(durable, "_renamer", lambda: atomic)

    return on


def told(house: House) -> list[dict[str, Any]]:
    """What the sidecars and error files say."""
    return [json.loads((house.outbox() / path).read_bytes()) for path in sorted(house.visible())
            if path.endswith(".json")]


@pytest.mark.parametrize(("disk", "path", "shown"), [
    (FAT, "a: b?.wav", "a%3A b%3F.restored.wav"),
    (FAT, "show 12./take.wav", "show 12%2E/take.restored.wav"),
    (SMB, "a\\b.wav", "a%5Cb.restored.wav"),
    (VETO, "take 12:30.wav", "take 12%3A30.restored.wav"),
    (ENCRYPTED, f"{LONG}.wav", None), (ENCRYPTED, f"{LONG}/take.wav", None), (LATIN, "日本/テイク.wav", None),
    (Picky(RAW[-1], number=errno.EILSEQ), f"{RAW}.wav", None),
])
def test_a_name_that_the_outbox_refuses_is_changed_and_that_is_told(
    house: House, beneath: Callable[[Picky], None], disk: Picky, path: str, shown: str | None,
) -> None:
    job_id = house.drop(path, sound("a"))
    beneath(disk)
    house.finish()
    house.check_delivered(job_id)
    (output,) = house.job(job_id).outputs
    assert output.path is not None
    assert shown in {None, output.path}
    assert all(disk.refuses(part) is None for name in house.visible() for part in name.split("/"))
    (sidecar,) = told(house)
    assert sidecar["outputs"][0]["path"] == output.path
    assert "what it refuses in names was changed" in sidecar["notes"][-1]
    assert house.job(job_id).form != "plain"


def test_what_no_name_stands_for_is_not_bought_until_its_original_is_renamed(
    make_house: MakeHouse, service: Sandbox, beneath: Callable[[Picky], None],
) -> None:
    """A template of the configuration makes names that this outbox takes in no form."""
    house = make_house(inboxes={"podcasts": {"output_name": "{stem} [restored]{ext}"}})
    beneath(Picky("[]"))
    job_id = house.drop("a.wav")
    house.run(60)
    job = house.job(job_id)
    assert job.because is not None
    assert (job.state, job.because.code) == (State.QUEUED, "in_the_way")
    assert job.because.action.startswith("Rename the original")
    assert service.calls.get("create_project", 0) == service.charges == 0


def test_what_was_bought_and_renamed_to_an_impossible_name_is_delivered_under_another(
    house: House, service: Sandbox, beneath: Callable[[Picky], None],
) -> None:
    beneath(FAT)
    service.change(seconds=60)
    job_id = house.drop("a.wav")
    house.run(5)
    (house.inbox() / "a.wav").rename(house.inbox() / "what now?.wav")
    house.journal.files.move("podcasts", [("a.wav", "what now?.wav")])
    house.finish()
    house.check_delivered(job_id)
    assert house.visible() == {"what now%3F.restored.wav", "what now%3F.wav.json"}


@pytest.mark.parametrize("disk", [FAT, ENCRYPTED])
def test_an_error_file_has_a_name_that_can_stand_and_goes_when_it_is_over(
    house: House, service: Sandbox, beneath: Callable[[Picky], None], disk: Picky,
) -> None:
    beneath(disk)
    service.fault("create_project", "status", status=422)
    job_id = house.drop(f"why? {LONG}.wav" if disk is ENCRYPTED else "why?.wav")
    house.finish()
    house.chores()
    assert [one["because"]["code"] for one in told(house)] == ["rejected"]
    service.calm()
    house.ask("retry", jobs=[job_id])
    house.finish()
    house.chores()
    assert [one["state"] for one in told(house)] == ["delivered"]


@pytest.mark.parametrize(("bar", "code"), [
    ("a file", "in_the_way"), ("a link", "in_the_way"), ("no right", "no_right")])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(
    house: House, service: Sandbox, bar: str, code: str,
) -> None:
    place = house.outbox() / "show"
    if bar == "a file":
        place.write_text("not a folder")
    elif bar == "a link":
        place.symlink_to(house.base)
    elif os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    else:
        place.mkdir(mode=0o500)
    job_id, other = house.drop("show/a.wav"), house.drop("b.wav")
    house.run(60)
    job = house.job(job_id)
    assert job.because is not None
    assert (job.state, job.because.code) == (State.QUEUED, code)
    assert house.job(other).state is State.DELIVERED
    assert service.charges == 1
    if bar == "no right":
        place.chmod(0o700)
    else:
        place.unlink()
    house.finish()
    house.check_delivered(job_id, other)


def test_what_a_crash_leaves_of_trying_names_out_is_swept(house: House) -> None:
    job_id = house.drop("show/why?.wav")
    house.finish()
    stage = house.outbox() / "show" / names.temp_name(job_id, "names")
    stage.mkdir()
    (stage / "why?.wav.json").touch()
    assert house.tools.outboxes["podcasts"].sweep(lambda owner: owner == job_id) == []
    house.tools.outboxes["podcasts"].sweep(lambda _: False)
    assert not stage.exists()


def test_trying_names_out_goes_on_from_what_a_crash_left(house: House, beneath: Callable[[Picky], None]) -> None:
    job_id = house.drop("why?.wav")
    stage = house.outbox() / names.temp_name(job_id, "names")
    stage.mkdir()
    (stage / "why?.wav.json").touch()
    beneath(Picky("<"))
    house.finish()
    house.check_delivered(job_id)
    assert not stage.exists()
