"""More files than the kernel keeps events for, while nobody listens: none is missed, and none is paid for unasked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sounds import sound
from whole_studio import NAME, MakeStudio, Studio, until

from diffio_watch.job import State

KEPT = Path("/proc/sys/fs/inotify/max_queued_events")  # the kernel's own limit
EVERY = 25  # … is a recording; the rest is empty, for MediaInfo takes its time


def burst(inbox: Path, numbers: range) -> None:
    for number in numbers:
        folder = inbox / f"{number // 500}"
        if number % 500 == 0:
            folder.mkdir()
        if number % EVERY:
            os.close(os.open(f"{folder}/{number}.wav", os.O_CREAT | os.O_WRONLY))
        else:
            (folder / f"{number}.wav").write_bytes(sound(str(number), 0.02))


@pytest.mark.slow
def test_a_burst_while_the_process_is_stopped_is_found_to_the_last_file(make_studio: MakeStudio) -> None:
    kept = int(KEPT.read_text()) if KEPT.exists() else 16_384
    half = min(25_000, kept // 500 * 500 + 500)
    files, recordings = 2 * half, 2 * half // EVERY
    studio = make_studio(log={"format": "json", "level": "warning"})
    burst(studio.inbox(), range(half))  # while it does not run
    process = studio.launch()
    until(lambda: studio.counts()[State.FAILED] > 0, 30, studio.told)
    process.send_signal(signal.SIGSTOP)
    burst(studio.inbox(), range(half, files))  # while it runs and does nothing
    process.send_signal(signal.SIGCONT)
    until(lambda: studio.job_count() == files, 240, studio.counts)
    until(lambda: studio.counts()[State.HELD] == recordings, 20, studio.counts)
    assert studio.counts()[State.FAILED] == files - recordings
    assert studio.service.calls == {}
    assert studio.end()[0] == 0


@pytest.mark.slow
def test_an_overflow_of_the_kernels_queue_is_made_good_by_a_scan(studio: Studio) -> None:
    limit = int(KEPT.read_text())
    if limit > 20_000:
        pytest.skip(f"the kernel keeps {limit} events here")
    process = studio.launch()
    until(lambda: NAME in studio.reports(), what=studio.told)
    (studio.inbox() / "folder").mkdir()
    until(lambda: studio.reports()[NAME].last_scan_at, what=studio.told)
    process.send_signal(signal.SIGSTOP)
    noise = studio.inbox() / "noise.txt"
    for _ in range(limit // 2 + 1000):
        noise.touch()
        noise.unlink()
    (studio.inbox() / "folder/late.wav").write_bytes(sound("late"))  # its events find no room
    process.send_signal(signal.SIGCONT)
    studio.wait("folder/late.wav")
    assert studio.service.charges == 1
    assert studio.end()[0] == 0
