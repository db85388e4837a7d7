"""Looking who holds the journal's lock must not keep a daemon from starting."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cli_place import Place

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


@pytest.mark.parametrize("wrong", ["inboxes: []\n", "inboxes:\n\t- tab\n", "nosuch: 1\n", "- a list\n", "a: [\n"])
def test_a_file_that_is_wrong_is_not_told_as_if_nothing_ran(place: Place, wrong: str) -> None:
    """What was read before stays in force; who asks with `status` hears it, even if the rest can't be shown."""
    place.journal().close()
    place.config_file.write_text(f"state_dir: {place.state}  # here\n{wrong}" if wrong != "- a list\n" else wrong)
    assert "A daemon runs" not in place.run("status").err
    with Lock(place.state):
        done = place.run("status")
    assert done.code == 2
    assert "problem" in done.err
    assert ("A daemon runs (process" in done.err) == (wrong != "- a list\n")
    assert "goes on with what it read before" in done.err or wrong == "- a list\n"
