"""More files than the kernel keeps events for, while nobody listens: none is missed, and none is paid for unasked."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sounds import sound
from whole_studio import NAME, MakeStudio, Studio, until

from diffio_watch.job import State

FILES = 50_000
RECORDINGS = 2_000  # the rest is empty, for MediaInfo takes its time


def burst(inbox: Path, numbers: range) -> None:
    every = FILES // RECORDINGS
    for number in numbers:
        folder = inbox / f"{number // 500}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.wav").write_bytes(b"" if number % every else sound(str(number), 0.02))


@pytest.mark.slow
def test_a_burst_while_the_process_is_stopped_is_found_to_the_last_file(make_studio: MakeStudio) -> None:
    studio = make_studio(log={"format": "json", "level": "warning"})
    burst(studio.inbox(), range(FILES // 2))  # while it does not run
    process = studio.launch()
    until(lambda: studio.counts()[State.FAILED] > 0, 30, studio.told)
    process.send_signal(signal.SIGSTOP)
    burst(studio.inbox(), range(FILES // 2, FILES))  # while it runs and does nothing
    process.send_signal(signal.SIGCONT)
    until(lambda: studio.job_count() == FILES, 240, studio.counts)
    until(lambda: studio.counts()[State.HELD] == RECORDINGS, 20, studio.counts)
    assert studio.counts()[State.FAILED] == FILES - RECORDINGS
    assert studio.service.calls == {}
    assert studio.end()[0] == 0


@pytest.mark.slow
def test_an_overflow_of_the_kernels_queue_is_made_good_by_a_scan(studio: Studio) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
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
