"""What the program made itself is never bought, however it comes into an inbox: with a whole daemon and real mounts."""

from __future__ import annotations

import pytest
from sounds import sound
from whole_mounts import Mounts
from whole_studio import NAME, MakeStudio, until

from diffio_watch.job import State

SCANNED = {NAME: {"rescan": "200ms"}}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["bind", "fuse", "a folder of it"])
def test_an_outbox_that_shows_in_its_inbox_is_not_bought(mounts: Mounts, make_studio: MakeStudio, way: str) -> None:
    studio = make_studio(inboxes=SCANNED)
    studio.service.change(restores=True)
    door = studio.inbox() / "results"
    door.mkdir()
    (studio.outbox() / "show").mkdir()
    if way == "fuse":
        mounts.fuse(studio.outbox(), door)
    else:
        mounts.bind(studio.outbox() if way == "bind" else studio.outbox() / "show", door)
    (studio.inbox() / "show").mkdir()
    (studio.inbox() / "show/a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("show/a.wav")
    if way == "a folder of it":  # there is no marker in it: its content tells
        until(lambda: "results/a.restored.wav" in studio.states(), what=studio.told)
        until(lambda: not studio.open(), what=studio.told)
        assert studio.states()["results/a.restored.wav"] == "skipped: own_output"
    else:
        until(lambda: studio.events("folder.not_entered"), what=studio.told)
        assert set(studio.states()) == {"show/a.wav"}
    assert studio.service.charges == 1
    assert studio.counts()[State.DELIVERED] == 1
    assert studio.stop() == 0
