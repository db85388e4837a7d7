"""A studio whose daemon has its page on."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ports import free_port
from sounds import sound
from whole_studio import NAME, Studio

from diffio_watch.journal import Journal
from diffio_watch.sandbox import Sandbox

TOKEN: Final = "a-token-of-this-studio"


class Desk:
    """Where the page is served, and what it is about.

    Args:
        base: an empty folder.
        service: a running sandbox.
    """

    def __init__(self, base: Path, service: Sandbox, **config: Any) -> None:
        self.service = service
        token = base / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.port = free_port()
        web = {"listen": f"127.0.0.1:{self.port}", "token_file": str(token), "hosts": ["studio.test"]}
        (base / "studio").mkdir()
        self.studio = Studio(base / "studio", service, web=web, **config)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def drop(self, *names: str, content: bytes | None = None) -> None:
        """Recordings, each of its own content, put into the inbox; given content, that."""
        for name in names:
            place = self.studio.inbox() / name
            place.parent.mkdir(parents=True, exist_ok=True)
            hidden = place.parent / f".{abs(hash(name))}.part"
            hidden.write_bytes(sound(repr(name)) if content is None else content)
            hidden.rename(place)

    def status(self) -> Any:
        """What the page is told."""
        with urllib.request.urlopen(f"{self.origin}/api/status", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def changing(studio: Studio) -> Iterator[None]:
    """Meanwhile a thousand changes a second in the journal, as another process makes them."""
    ending = threading.Event()

    def change() -> None:
        with Journal.open(studio.state) as journal:
            jobs = [job.id for job in journal.jobs.newest()]
            began = time.monotonic()
            for number in itertools.count():
                if (ahead := number / 1000 - (time.monotonic() - began)) > 0:
                    time.sleep(ahead)
                if ending.is_set():
                    return
                journal.jobs.note_progress(jobs[number % len(jobs)], number % 100)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


__all__ = ["NAME", "TOKEN", "Desk", "changing"]
