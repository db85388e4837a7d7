"""Looking who holds the journal's lock must not keep a daemon from starting."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from diffio_watch.journal import JournalLocked, Lock, holder


def test_a_daemon_starts_while_others_look_all_the_time(tmp_path: Path) -> None:
    with Lock(tmp_path):
        pass
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            holder(tmp_path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for thread in lookers:
        thread.start()
    try:
        for _ in range(200):
            with Lock(tmp_path):
                pass
    finally:
        stop.set()
        for thread in lookers:
            thread.join()


def test_a_second_holder_is_refused_and_told_the_first(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(JournalLocked, match=r"process \d+"):
        Lock(tmp_path).acquire()
    with Lock(tmp_path):
        pass
