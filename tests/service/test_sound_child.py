"""The child process: what it measures, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import refused
import tones

from diffio_watch.service.sound import record, runner
from diffio_watch.service.sound.runner import ChildFailed, Runner, Stopped

pytest.importorskip("av")


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def measured(path: Path, **limits: Any) -> dict[str, Any]:
    with opened(path) as descriptor:
        return Runner(**limits).ask({"do": "measure", "file": descriptor}, [descriptor])


def lag_of(*paths: Path) -> dict[str, Any] | None:
    answer = Runner().ask({"do": "lag", "sides": [measured(path)["windows"] for path in paths]}, [])
    return record.lag(answer["lag"])


def test_a_tone_of_minus_23_lufs_reads_so(tmp_path: Path) -> None:
    """The first case of EBU Tech 3341: 1 kHz in stereo at -23 dBFS."""
    tone = tones.sine(20)
    found = record.measured(measured(tones.write(tmp_path / "tone.wav", tone, tone, rate=48_000)))
    assert found.integrated == pytest.approx(-23.0, abs=0.1)
    assert found.true_peak == pytest.approx(-23.0, abs=0.2)
    assert found.range == pytest.approx(0.0, abs=0.1)
    assert found.short[10] / -2 == pytest.approx(-23.0, abs=0.5)


def test_peaks_of_a_square_are_its_levels_where_it_is(tmp_path: Path) -> None:
    """One second at half of full scale, one silent, one at a quarter and only upwards, on the second channel alone."""
    half = [16384 if at // 20 % 2 else -16384 for at in range(tones.RATE)]
    quarter = [8192] * tones.RATE
    silent = [0] * tones.RATE
    path = tones.write(tmp_path / "square.wav", silent * 3, half + silent + quarter)
    found = record.measured(measured(path))
    peaks = [value - 256 if value > 127 else value for value in found.peaks]
    assert (found.seconds, found.channels, found.rate, found.column) == (3.0, 2, tones.RATE, 0.1)
    assert len(peaks) == 60
    assert peaks[:20] == [-64, 64] * 10
    assert peaks[20:40] == [0, 0] * 10
    assert peaks[40:] == [0, 32] * 10


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    found = record.measured(measured(tones.write(tmp_path / "silence.wav", [0] * tones.RATE)))
    assert (found.integrated, found.true_peak, found.range) == (None, None, None)


def test_it_has_the_lowest_priority_and_little_memory(tmp_path: Path) -> None:
    found = measured(tones.silence(tmp_path / "long.wav", 0.02))
    assert found["nice"] == 19
    assert found["memory"] < 100 * 1024


def test_its_priority_is_one_among_ours(tmp_path: Path) -> None:
    """In a session of its own it would get as much of the processor as all of ours, at nice 19: the kernel is fair to
    sessions. And what a terminal tells us, it is not told.
    """
    one = Runner()
    seen: list[object] = []

    def look(one: Runner) -> None:
        assert one._process is not None
        seen.extend((os.getsid(one._process.pid), os.getpgid(one._process.pid) == one._process.pid))
        one.stop()

    thread = threading.Thread(target=_when_it_runs, args=(one, look))
    thread.start()
    with opened(tones.silence(tmp_path / "long.wav", 5.0)) as descriptor, pytest.raises(Stopped):
        one.ask({"do": "measure", "file": descriptor}, [descriptor])
    thread.join()
    assert seen == [os.getsid(0), True]


@pytest.mark.skipif(refused.SETPRIORITY is None, reason="the number of setpriority is not known here")
def test_it_works_where_no_priority_may_be_set(tmp_path: Path) -> None:
    """As in the hardened unit, whose filter refuses it."""
    script = ("import json, os, sys\nimport refused\nfrom diffio_watch.service.sound.runner import Runner\n"
              "refused.refuse(refused.SETPRIORITY)\nfile = os.open(sys.argv[1], os.O_RDONLY)\n"
              "print(json.dumps(Runner().ask({'do': 'measure', 'file': file}, [file])))")
    path = tones.write(tmp_path / "tone.wav", tones.sine(1))
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": str(Path(refused.__file__).parent)})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["seconds"], found["nice"]) == (3.0, os.getpriority(os.PRIO_PROCESS, 0))


def test_what_is_fifteen_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    """And no more than 100 MiB; what two hours take of the processor, the benchmarks tell."""
    short, long = (measured(tones.silence(tmp_path / "long.wav", hours)) for hours in (0.01, 0.15))
    assert long["seconds"] == 540
    assert long["memory"] < min(100 * 1024, short["memory"] + 4 * 1024)
    assert 0 < long["used"] < 30 * short["used"]


@pytest.mark.parametrize(("late", "stretch"), [(0, 0), (120, 0), (0, 1000)])
def test_a_lag_and_a_drift_are_found_to_two_milliseconds(tmp_path: Path, late: int, stretch: int) -> None:
    """Shifted by milliseconds, stretched by a thousandth: every thousandth sample stands twice."""
    samples = list(tones.speech(60))
    one = tones.write(tmp_path / "one.wav", samples)
    if stretch:
        samples = [each for at in range(0, len(samples), stretch) for each in (samples[at], *samples[at:at + stretch])]
    other = tones.write(tmp_path / "other.wav", [0] * (late * 16) + [each // 8 for each in samples])
    found = lag_of(one, other)
    assert found is not None
    assert found["ms"] == pytest.approx(late, abs=2)
    assert found["drifts"] is bool(stretch)
    assert found["drift"] == pytest.approx(1000 if stretch else 0, abs=20)


def test_an_mp3_without_a_xing_header_is_23_ms_late(tmp_path: Path) -> None:
    """Nothing tells a decoder how much silence its encoder put before the sound; with the header, it is cut off."""
    one = tones.write(tmp_path / "one.wav", tones.speech(16))
    told = tones.encode(one, tmp_path / "told.mp3", "mp3", "mp3")
    untold = tones.encode(one, tmp_path / "untold.mp3", "mp3", "mp3", write_xing="0")
    with_header, without = lag_of(one, told), lag_of(one, untold)
    assert with_header is not None
    assert with_header["ms"] == pytest.approx(0, abs=2)
    assert without is not None
    assert without["ms"] == pytest.approx(23, abs=2)


def test_sides_that_have_nothing_in_common_have_no_lag(tmp_path: Path) -> None:
    assert lag_of(tones.write(tmp_path / "one.wav", tones.speech(25)),
                  tones.write(tmp_path / "other.wav", tones.speech(25, seed=2))) is None


def test_what_is_no_sound_is_told_as_a_note(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("no sound at all")
    assert measured(path)["note"].startswith("It can't be opened as sound")


@pytest.mark.parametrize("playlist", ["#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{0}\n#EXT-X-ENDLIST\n",
                                      "ffconcat version 1.0\nfile '{0}'\n", "ffconcat version 1.0\nfile 'file:{0}'\n"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, playlist: str) -> None:
    other = tones.write(tmp_path / "secret.wav", tones.speech(2))
    path = tmp_path / "list.wav"
    path.write_text(playlist.format(other))
    assert "note" in measured(path)


def test_one_that_uses_up_its_processor_time_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="memory or processor time"):
        measured(tones.silence(tmp_path / "long.wav", 3.0), processor=1)


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="longer"):
        measured(tones.silence(tmp_path / "long.wav", 3.0), wall=0.5)


def test_a_crash_is_told_by_its_signal_and_a_stop_is_none(tmp_path: Path) -> None:
    path = tones.silence(tmp_path / "long.wav", 5.0)
    for end, raised in ((lambda one: os.kill(one._process.pid, signal.SIGSEGV), ChildFailed),
                        (Runner.stop, Stopped)):
        one = Runner()
        thread = threading.Thread(target=_when_it_runs, args=(one, end))
        thread.start()
        with opened(path) as descriptor, pytest.raises(raised) as error:
            one.ask({"do": "measure", "file": descriptor}, [descriptor])
        thread.join()
        assert raised is Stopped or "SIGSEGV" in str(error.value)


def _when_it_runs(one: Runner, end: Any) -> None:
    until = time.monotonic() + 30
    while one._process is None and time.monotonic() < until:
        time.sleep(0.01)
    end(one)


def test_a_preview_is_flac_of_16_bit_and_48_khz(tmp_path: Path) -> None:
    source = tones.encode(tones.write(tmp_path / "one.wav", tones.speech(5)), tmp_path / "one.m4a", "alac", "ipod")
    target = tmp_path / "preview.flac"
    with opened(source) as descriptor:
        there = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
        answer = Runner().ask({"do": "preview", "file": descriptor, "target": there}, [descriptor, there],
                              file_bytes=1 << 24)
        os.close(there)
    assert answer["seconds"] == pytest.approx(5, abs=0.1)
    found = measured(target)
    assert (found["codec"], found["rate"], found["channels"], found["form"]) == ("flac", 48_000, 2, "flac")
    info = target.read_bytes()[8:42]
    assert int.from_bytes(info[10:18]) >> 36 & 31 == 15  # bits less one
    assert int.from_bytes(info[10:18]) & (1 << 36) - 1 == round(answer["seconds"] * 48_000)


def test_a_preview_ends_at_the_size_it_may_have(tmp_path: Path) -> None:
    target = tmp_path / "preview.flac"
    with opened(tones.write(tmp_path / "one.wav", tones.speech(20))) as descriptor:
        there = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
        answer = Runner().ask({"do": "preview", "file": descriptor, "target": there}, [descriptor, there],
                              file_bytes=100_000)
        os.close(there)
    assert "too large" in answer["note"]
    assert target.stat().st_size <= 100_000


def test_the_child_has_no_key_and_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a decoder over finds nothing there."""
    monkeypatch.setenv("DIFFIO_API_KEY", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    assert not {"DIFFIO_API_KEY", "CREDENTIALS_DIRECTORY"} & runner._environment().keys()


def test_what_the_child_tells_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    told = measured(tones.write(tmp_path / "one.wav", tones.speech(5)))
    kept = record.measured(told)
    assert record.load(kept.dump()) == kept
    assert kept.peaks == b64decode(told["peaks"])


@pytest.mark.parametrize("late", [0.12, 0.0, -0.05])
def test_what_was_removed_is_the_original_without_the_restored_side(tmp_path: Path, late: float) -> None:
    """A voice in a hum, and the voice alone at half the level, late or early: what remains is the hum, and in time."""
    voice = [each // 3 for each in tones.speech(10)]
    hum = tones.sine(10, hertz=120, decibels=-20, rate=tones.RATE)
    hum[:5 * tones.RATE] = [0] * (5 * tones.RATE)
    one = tones.write(tmp_path / "one.wav", [a + b for a, b in zip(voice, hum, strict=True)])
    half = [each // 2 for each in voice]
    shift = round(late * tones.RATE)
    other = tones.write(tmp_path / "other.wav", [0] * shift + half if shift >= 0 else half[-shift:])
    target = tmp_path / "removed.flac"
    with opened(one) as first, opened(other) as second:
        there = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
        answer = Runner().ask({"do": "removed", "file": first, "other": second, "target": there,
                               "late": late + 0.001}, [first, second, there], file_bytes=1 << 24)
        os.close(there)
    assert answer["samples"] == pytest.approx(late * 48_000, abs=1)
    assert answer["gain"] == pytest.approx(2.0, abs=0.2)
    assert answer["seconds"] == pytest.approx(10, abs=0.1)
    found = record.measured(measured(target))
    assert found.short[4] / -2 < -40  # the voice is gone
    hum_alone = record.measured(measured(tones.write(tmp_path / "hum.wav", hum, hum)))
    assert found.short[8] == pytest.approx(hum_alone.short[8], abs=3)


def test_of_sides_that_have_nothing_in_common_nothing_was_removed(tmp_path: Path) -> None:
    target = tmp_path / "removed.flac"
    with opened(tones.write(tmp_path / "one.wav", tones.speech(5))) as first, \
            opened(tones.write(tmp_path / "other.wav", tones.speech(5, seed=2))) as second:
        there = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
        answer = Runner().ask({"do": "removed", "file": first, "other": second, "target": there, "late": 0.0},
                              [first, second, there])
        os.close(there)
    assert "too little in common" in answer["note"]
