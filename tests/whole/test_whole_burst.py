"""More events than the kernel keeps, while nobody listens: no file is missed, and none is paid for unasked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sounds import sound
from whole_studio import NAME, MakeStudio, Studio, until

from diffio_watch.job import State

KEPT = Path("/proc/sys/fs/inotify/max_queued_events")
HALF = 2000  # files of the burst: twice as many as are journalled or remembered at once; of these one …
EVERY = 25  # … is a recording, and the rest are empty, for MediaInfo takes its time


@pytest.fixture
def limit() -> int:
    """How many events the kernel keeps for who does not listen."""
    found = int(KEPT.read_text()) if KEPT.exists() else 0
    if not 0 < found <= 20_000:
        pytest.skip(f"the kernel keeps {found} events here")
    return found


def burst(inbox: Path, numbers: range) -> None:
    for number in numbers:
        folder = inbox / f"{number // 500}"
        if number % 500 == 0:
            folder.mkdir()
        if number % EVERY:
            os.close(os.open(f"{folder}/{number}.wav", os.O_CREAT | os.O_WRONLY))
        else:
            (folder / f"{number}.wav").write_bytes(sound(str(number), 0.02))


def overflow(inbox: Path, limit: int) -> None:
    """Leave no room for the events of what comes now."""
    noise = str(inbox / "noise.txt")
    for _ in range(limit // 2 + 1000):
        os.close(os.open(noise, os.O_CREAT | os.O_WRONLY))
        os.unlink(noise)  # noqa: PTH108 - so many


@pytest.mark.slow
def test_a_burst_while_the_process_is_stopped_is_found_to_the_last_file(make_studio: MakeStudio, limit: int) -> None:
    """It is stopped while it has not got through the first half; of the second no event is kept."""
    studio = make_studio(log={"format": "json", "level": "warning"}, limits={"approve_over_files": 10})
    burst(studio.inbox(), range(HALF))  # while it does not run
    process = studio.launch()
    until(lambda: studio.counts()[State.FAILED] > 0, 30, studio.told)
    process.send_signal(signal.SIGSTOP)
    overflow(studio.inbox(), limit)
    burst(studio.inbox(), range(HALF, 2 * HALF))  # while it runs and does nothing
    process.send_signal(signal.SIGCONT)
    until(lambda: studio.job_count() == 2 * HALF, 120, studio.counts)
    until(lambda: studio.counts()[State.HELD] == 2 * HALF // EVERY, 20, studio.counts)
    assert studio.counts()[State.FAILED] == 2 * HALF - 2 * HALF // EVERY
    assert studio.service.calls == {}
    assert studio.end()[0] == 0


@pytest.mark.slow
def test_an_overflow_of_the_kernels_queue_is_made_good_by_a_scan(studio: Studio, limit: int) -> None:
    process = studio.launch()
    until(lambda: NAME in studio.reports(), what=studio.told)
    (studio.inbox() / "folder").mkdir()
    until(lambda: studio.reports()[NAME].last_scan_at, what=studio.told)
    process.send_signal(signal.SIGSTOP)
    overflow(studio.inbox(), limit)
    (studio.inbox() / "folder/late.wav").write_bytes(sound("late"))  # its events find no room
    process.send_signal(signal.SIGCONT)
    studio.wait("folder/late.wav")
    assert studio.service.charges == 1
    assert studio.end()[0] == 0
