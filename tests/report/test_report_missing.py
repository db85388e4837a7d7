"""What a retry finds gone is looked for in the outbox that the journal uses, and in no other folder in its place."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from folders import meanwhile, swapped, use
from markers import put_marker
from report_house import House

from diffio_watch.disk import marker
from diffio_watch.job import Job, Output, State
from diffio_watch.outbox import Outbox, sidecar
from diffio_watch.report.missing import CannotLook, missing

CONTENT = b"what was paid for"


@pytest.fixture
def job(house: House, outbox: Path) -> Job:
    """A delivered one whose result and sidecar are where they were put."""
    (outbox / "a.restored.wav").write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    done = Output("audio", "published", "a.restored.wav", len(CONTENT), sha256, "audio/wav")
    (made,) = house.add("a.wav", state=State.DELIVERED, outputs=(done,))
    (outbox / "a.wav.json").write_bytes(sidecar.render(made))
    use(house.journal, "podcasts", outbox=outbox)
    return made


@pytest.fixture
def outbox(house: House) -> Path:
    return house.config.inboxes[0].outbox


def test_what_is_there_and_what_is_gone(house: House, job: Job, outbox: Path) -> None:
    assert missing(house.journal, house.config, job) == []
    (outbox / "a.restored.wav").write_bytes(CONTENT[::-1])
    assert missing(house.journal, house.config, job) == ["audio"], "another take has its name and its size"
    (outbox / "a.wav.json").unlink()
    assert missing(house.journal, house.config, job) == ["audio", "sidecar"]


@pytest.mark.parametrize(("owner", "call", "when"), [
    (marker, "inspect", "after"), (Outbox, "there", "before"), (Outbox, "there", "after"),
    (Outbox, "has_sidecar", "before")])
@pytest.mark.parametrize("marked", [False, True])
def test_a_share_that_goes_meanwhile_has_lost_nothing(
    house: House, job: Job, outbox: Path, monkeypatch: pytest.MonkeyPatch, owner: object, call: str, when: str,
    *, marked: bool,
) -> None:
    """Whatever comes to light beneath it, be it a copy of its marker."""
    def go() -> None:
        swapped(outbox)
        if marked:
            shutil.copy2(outbox.parent / "share" / marker.NAME, outbox)

    change = {when: go}
    meanwhile(monkeypatch, owner, call, **change)
    with pytest.raises(CannotLook, match="just now"):
        missing(house.journal, house.config, job)


def test_a_folder_that_is_not_the_outbox_tells_nothing(house: House, job: Job, outbox: Path) -> None:
    """Neither another journal's, nor one without a marker, nor one that was never used."""
    put_marker(outbox, marker.Marker("diffio-watch", "another", "outbox", "podcasts", 1))
    with pytest.raises(CannotLook, match=r"is not there \(its marker is that of another journal"):
        missing(house.journal, house.config, job)
    (outbox / marker.NAME).unlink()
    with pytest.raises(CannotLook, match=r"is not there \(its marker .* is missing\): mount it"):
        missing(house.journal, house.config, job)
    house.journal.folders.forget("outbox", "podcasts")
    with pytest.raises(CannotLook, match="never used"):
        missing(house.journal, house.config, job)
