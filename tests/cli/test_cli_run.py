"""demo, run and once as real processes: the whole way from the command line."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
import wave
from pathlib import Path

import programs
import pytest
from cli_place import Place, command, delivered

from diffio_watch.cli.sample import write_samples
from diffio_watch.sandbox import Sandbox

PROXIES = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9",
           "http_proxy": "http://127.0.0.1:9"}


def test_the_sample_is_three_short_recordings_of_different_content(tmp_path: Path) -> None:
    files = write_samples(tmp_path)
    assert len({file.read_bytes() for file in files}) == 3
    for file in files:
        with wave.open(str(file)) as sound:
            assert sound.getnframes() / sound.getframerate() == 3.0


@pytest.mark.slow
def test_demo_delivers_its_sample_whatever_the_user_has_configured(place: Place) -> None:
    keep = place.root / "kept"
    env = place.env | PROXIES | {"DIFFIO_WATCH_CONFIG": "/nowhere.yaml", "DIFFIO_API_BASE_URL": "https://nowhere.invalid",
                                 "DIFFIO_API_KEY": "canary-of-the-user"}
    done = subprocess.run(command("demo", "--keep", str(keep)), env=env, capture_output=True, text=True, check=False,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in ("welcome.restored.wav", "show 12/interview.restored.wav", "show 12/outro.restored.wav"):
        assert f"-> {keep / 'outbox' / path}" in done.stdout
        assert (keep / "outbox" / path).is_file()
        sidecar = json.loads((keep / "outbox" / path.replace(".restored.wav", ".wav.json")).read_text())
        assert sidecar["state"] == "delivered"
        assert sidecar["source"]["media"]["duration_s"] == 3.0
    assert "restores nothing" in done.stdout
    assert not subprocess.run(["grep", "-r", "canary-of-the-user", str(keep)], capture_output=True, check=False).stdout


@pytest.mark.slow
def test_demo_delivers_given_files_and_folders_and_leaves_out_what_is_no_recording(place: Place) -> None:
    given = place.root / "given"
    files = write_samples(given)
    (given / "notes.txt").write_text("no recording")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}
    done = programs.run(command("demo", str(given), str(files[0])), env=place.env, capture_output=True, text=True,
                          check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "notes.txt is no recording" in done.stderr
    assert "given/show 12/interview.wav\n  -> " in done.stdout
    assert "welcome.wav: skipped. It is a copy of given/welcome.wav" in done.stdout  # the same content again
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files} == before
    folder = done.stdout.partition("Everything stays in\n  ")[2].partition("\n")[0]
    assert Path(folder, "outbox/given/welcome.wav.json").is_file()
    shutil.rmtree(folder)


def test_demo_with_nothing_to_show_or_no_place_to_keep_it_says_so(place: Place) -> None:
    (place.root / "notes.txt").write_text("x")
    for arguments in (["--keep", str(place.root)], [str(place.root / "nope.wav")]):
        done = programs.run(command("demo", *arguments), env=place.env, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_quietly_and_its_daemon_with_it(place: Place) -> None:
    keep = place.root / "kept"
    with subprocess.Popen(command("demo", "--keep", str(keep)), env=place.env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        # a shell says 130 of both: where the signal comes while Python makes a class from text, as imports have it do,
        # Python ends by the signal itself, though everything was said and done
        assert process.wait(20) in {130, -signal.SIGINT}
        assert process.stderr.read().strip() == b""
        told = process.stdout.read().decode()
    assert "Delivered 0 of 3 files." in told
    assert f"Everything stays in\n  {keep}\n" in told
    assert "daemon.stopped" in (keep / "daemon.log").read_text()


@pytest.mark.slow
def test_demo_tells_each_end_at_once_and_waits_for_no_file_that_is_cut_short(place: Place) -> None:
    """What a daemon waits for, a quarter of an hour, does not come in a demo."""
    whole, cut = write_samples(place.root / "given")[:2]
    cut.write_bytes(cut.read_bytes()[:-20_000])
    env = place.env.copy()
    env.pop("PYTHONUNBUFFERED", None)
    started = time.monotonic()
    with programs.Program(command("demo", str(whole), str(cut)), env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("welcome.wav: delivered"):
            assert process.poll() is None  # it comes while the demo goes on
        assert process.poll() is None
        told = process.stdout.read()
        assert process.wait(60) == 1
    assert time.monotonic() - started < 100
    assert "interview.wav: not picked up. The file is cut short" in told
    assert "Delivered 1 of 2 files" in told
    shutil.rmtree(told.partition("Everything stays in\n  ")[2].partition("\n")[0])


@pytest.mark.slow
def test_once_brings_what_is_there_to_its_end_and_tells_a_failure(place: Place) -> None:
    with Sandbox(seconds=0) as service:
        place.config_file.write_text(place.config_file.read_text().replace("http://127.0.0.1:1/v1", service.base_url))
        env = place.env | {"DIFFIO_WATCH_CONFIG": str(place.config_file), "DIFFIO_API_KEY": "k"}
        write_samples(place.inbox)
        done = subprocess.run(command("once"), env=env, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert (place.outbox / "show 12/interview.wav.json").is_file()
        assert service.charges == 3
        (place.inbox / "notes.wav").write_text("no sound at all" * 100)
        done = programs.run(command("once"), env=env, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 1, done.stderr
        (undone,) = (line for line in done.stderr.splitlines() if "once.undone" in line)
        assert re.search(r'"failed": 1\b', undone)
        assert sum("once.left" in line and "notes.wav" in line for line in done.stderr.splitlines()) == 1
        assert (place.outbox / "notes.wav.error.json").is_file()
        assert service.charges == 3


@pytest.mark.slow
def test_a_running_daemon_answers_commands_and_refuses_a_second_one(place: Place) -> None:
    with Sandbox(seconds=0) as service:
        place.config_file.write_text(place.config_file.read_text().replace("http://127.0.0.1:1/v1", service.base_url))
        env = place.env | {"DIFFIO_WATCH_CONFIG": str(place.config_file), "DIFFIO_API_KEY": "k"}
        job = place.add("gone.wav", **delivered(base_url=service.base_url))
        with subprocess.Popen(command("run"), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            _until(lambda: place.run("status", "--json").json["daemon"]["running"])
            started = time.monotonic()
            assert place.run("pause").code == 0
            assert time.monotonic() - started < 3
            assert place.run("status", "--json").json["paused"] == ["podcasts"]
            assert place.run("cancel", job.id).code == 1
            second = programs.run(command("run"), env=env, capture_output=True, text=True, check=False, timeout=20)
            assert second.returncode == 2
            assert str(process.pid) in second.stderr
            once = programs.run(command("once"), env=env, capture_output=True, text=True, check=False, timeout=20)
            assert (once.returncode, once.stdout) == (0, "A daemon runs already: it does it.\n")
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()


def _until(holds: object, seconds: float = 20.0) -> None:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_run_without_a_key_ends_with_2_and_says_what_to_do(place: Place) -> None:
    done = programs.run(command("run"), env=place.env | {"DIFFIO_WATCH_CONFIG": str(place.config_file)},
                          capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "no API key" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in place.outbox.iterdir() if path.name != ".diffio-watch"] == []
