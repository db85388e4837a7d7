"""`_status.html` of an outbox: written where it is wanted, as it changes, whole, and never over what is another's."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from diffio_watch.config import Config, Inbox
from diffio_watch.intake.junk import junk
from diffio_watch.outbox import Outbox
from diffio_watch.outbox.error_files import STATUS_MARK
from diffio_watch.outbox.errors import OutboxGone
from diffio_watch.pipeline.status_file import StatusFile, Tell


class Shelf:
    """An outbox, and what there is to tell of it."""

    def __init__(self, base: Path) -> None:
        self.outbox = base / "out"
        self.outbox.mkdir()
        inbox: Inbox = Config.of({"state_dir": base / "state", "inboxes": [
            {"name": "podcasts", "path": base / "in", "outbox": self.outbox, "status_file": True}]}).inboxes[0]
        self.inbox = inbox
        self.log = LogCapture()
        self.told = "all is well"
        self.looks = 0
        self.there: Callable[[], None] = lambda: None

    def file(self, *, wanted: bool = True, tell: Tell | None = None) -> StatusFile:
        outbox = Outbox(str(self.outbox), inbox="podcasts", available=self._available, tell=lambda _: None)
        log = structlog.wrap_logger(None, processors=[self.log])
        return StatusFile(replace(self.inbox, status_file=wanted), outbox, log, tell or self._tell)

    def names(self) -> list[str]:
        return [path.name for path in self.outbox.iterdir()]

    def _available(self) -> None:
        self.there()

    def _tell(self) -> tuple[str, Callable[[float], bytes]]:
        self.looks += 1
        told = self.told
        return told, lambda now: STATUS_MARK + f"{now:.0f} {told}".encode()

    @property
    def page(self) -> Path:
        return self.outbox / "_status.html"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_it_is_written_when_something_changed_and_no_sooner_than_after_ten_seconds(shelf: Shelf) -> None:
    file = shelf.file()
    file.once(100.0)
    assert shelf.page.read_bytes() == STATUS_MARK + b"100 all is well"
    shelf.told = "a.wav is being sent"
    for now in (100.5, 105.0, 109.9):
        file.once(now)
    assert (shelf.looks, shelf.page.read_bytes()) == (1, STATUS_MARK + b"100 all is well")
    file.once(110.0)
    assert shelf.page.read_bytes() == STATUS_MARK + b"110 a.wav is being sent"


def test_what_did_not_change_is_left_alone_but_for_once_an_hour(shelf: Shelf) -> None:
    file = shelf.file()
    file.once(100.0)
    before = shelf.page.stat().st_ino
    file.once(120.0)
    assert shelf.page.stat().st_ino == before
    file.once(3701.0)
    assert shelf.page.read_bytes() == STATUS_MARK + b"3701 all is well"


def test_taken_away_by_somebody_it_comes_again(shelf: Shelf) -> None:
    file = shelf.file()
    file.once(100.0)
    shelf.page.unlink()
    file.once(110.0)
    assert shelf.page.exists()


def test_a_page_that_can_not_be_made_is_told_and_keeps_nothing_else_from_its_turn(shelf: Shelf) -> None:
    def stumbles() -> tuple[str, Callable[[float], bytes]]:
        shelf.looks += 1
        raise ZeroDivisionError

    file = shelf.file(tell=stumbles)
    for now in (100.0, 110.0, 120.0):
        file.once(now)
    assert (shelf.looks, [entry["event"] for entry in shelf.log.entries]) == (1, ["outbox.status_stumbled"])


def test_it_is_replaced_as_a_whole_and_has_the_mode_of_the_inbox(shelf: Shelf) -> None:
    file = shelf.file()
    file.once(100.0)
    with shelf.page.open("rb") as old:
        shelf.told = "b"
        file.once(200.0)
        assert old.read() == STATUS_MARK + b"100 all is well"
    assert stat.S_IMODE(shelf.page.stat().st_mode) == 0o664
    assert shelf.names() == ["_status.html"]


def test_what_somebody_else_put_there_stays_and_is_told_once(shelf: Shelf) -> None:
    shelf.page.write_text("<h1>ours</h1>")
    file = shelf.file()
    for now in (100.0, 120.0, 140.0):
        file.once(now)
    assert shelf.page.read_text() == "<h1>ours</h1>"
    assert [entry["event"] for entry in shelf.log.entries] == ["outbox.status_name_taken"]
    shelf.file(wanted=False).once(100.0)
    assert shelf.page.exists()


def test_a_link_there_is_not_followed(shelf: Shelf, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    other.write_bytes(STATUS_MARK)
    shelf.page.symlink_to(other)
    shelf.file().once(100.0)
    assert other.read_bytes() == STATUS_MARK
    assert shelf.page.is_symlink()


def test_switched_off_it_goes(shelf: Shelf) -> None:
    shelf.file().once(100.0)
    shelf.file(wanted=False).once(200.0)
    assert shelf.names() == []


def test_where_the_outbox_is_not_there_nothing_is_written(shelf: Shelf) -> None:
    """An unmounted share: its folder is there, and its marker is not."""
    def away() -> None:
        raise OutboxGone(str(shelf.outbox), "no marker")

    shelf.there = away
    with pytest.raises(OutboxGone):
        shelf.file().once(100.0)
    assert shelf.names() == []


def test_it_is_on_the_junk_list(shelf: Shelf) -> None:
    assert junk(f"show/{shelf.page.name}") == "_status.html"
