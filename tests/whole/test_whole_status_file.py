"""`_status.html` from the real daemon: what an editor who sees the folder only finds in it, from drop to end."""

from __future__ import annotations

import wave
from pathlib import Path
from urllib.parse import unquote

from whole_studio import NAME, MakeStudio, until

from diffio_watch.job import State

_HOSTILE = '"><img src=x onerror=alert(1)>.wav'


def _sound(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))


def test_the_folder_tells_how_everything_is_until_that_is_switched_off(make_studio: MakeStudio) -> None:
    studio = make_studio(inboxes={NAME: {"status_file": True}})
    page = studio.outbox() / "_status.html"
    studio.start()
    until(page.exists, what=studio.told)
    assert "Everything is ready" in page.read_text()
    _sound(studio.inbox() / _HOSTILE)
    (studio.inbox() / "notes.wav").write_bytes(b"x" * 5000)

    studio.wait(_HOSTILE)
    until(lambda: studio.counts()[State.FAILED] == 1, what=studio.told)
    studio.skip(11)  # it is looked at every ten seconds
    until(lambda: all(words in page.read_text() for words in ("1 recording needs you.", "Done today")),
          what=page.read_text)
    text = page.read_text()
    assert "<img" not in text
    link = unquote(text.partition('href="./')[2].partition('"')[0])
    assert (studio.outbox() / link).is_file()
    studio.inboxes[NAME]["status_file"] = False
    studio.reload()
    until(lambda: not page.exists(), what=studio.told)
