"""Before an outbox gets the first marker, it is looked through for sidecars: that very folder, and to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from folders import meanwhile

from diffio_watch.daemon import startup
from diffio_watch.disk import marker
from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Journal
from diffio_watch.outbox import sidecar
from diffio_watch.outbox.root import Root


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    (tmp_path / "state").mkdir()
    with Journal.open(tmp_path / "state", create=True) as made:
        yield made


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """An empty folder, on which `share` is to be mounted, where sidecars lie."""
    for name in ("out", "share"):
        (tmp_path / name).mkdir()
    done = Job(new_id(), "podcasts", "a.wav", 10, 1, Settings(), state=State.DELIVERED)
    (tmp_path / "share/a.wav.json").write_bytes(sidecar.render(done))
    return tmp_path / "out"


def goes(outbox: Path) -> None:
    outbox.rename(outbox.parent / "beneath")


def comes(outbox: Path) -> None:
    (outbox.parent / "share").rename(outbox)


def mounted(outbox: Path) -> None:
    goes(outbox)
    comes(outbox)


def use(journal: Journal, outbox: Path) -> Callable[[], int]:
    return startup.available(journal, marker.Owner(journal.id, 1), "outbox", "podcasts", outbox, print)


def marks(outbox: Path) -> list[Path]:
    return list(outbox.parent.rglob(marker.NAME))


@pytest.mark.parametrize(("owner", "call", "around"), [
    (marker, "check", {"before": mounted}), (startup, "Outbox", {"before": mounted}),
    (startup, "Outbox", {"after": mounted}), (Root, "_enter", {"before": goes, "after": comes})])
def test_a_share_with_sidecars_that_is_mounted_just_now_is_not_taken_for_a_new_outbox(
    journal: Journal, outbox: Path, monkeypatch: pytest.MonkeyPatch, owner: object, call: str,
    around: dict[str, Callable[[Path], None]],
) -> None:
    """With its marker it would be, and all that the sidecars tell of would be paid for again."""
    available = use(journal, outbox)
    meanwhile(monkeypatch, owner, call, **{when: partial(change, outbox) for when, change in around.items()})
    with pytest.raises(marker.FolderGone, match=r"just now|can't be looked through"):
        available()
    assert marks(outbox) == []
    assert journal.folders.get("outbox", "podcasts") is None
    with pytest.raises(marker.FolderGone, match="sidecars"):
        available()
    assert marks(outbox) == []


def test_an_empty_outbox_is_taken(journal: Journal, outbox: Path) -> None:
    use(journal, outbox)()
    assert marks(outbox) == [outbox / marker.NAME]
