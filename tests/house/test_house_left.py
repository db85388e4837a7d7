"""What a test leaves running is ended, whatever it is, and may still clean up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SLEEP = shutil.which("sleep") or "sleep"
_SLEEPING = ["sh", "-c", f"echo; exec {SLEEP} 1000"]
_STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""
_TWO = """
import os, pathlib, time
def test_first():
    try:
        os.kill(os.getpid(), int(os.environ["NUMBER"]))
        time.sleep(10)
    except KeyboardInterrupt:
        pathlib.Path("first").touch()
def test_second():
    pathlib.Path("second").touch()
"""


@pytest.fixture
def end(request: pytest.FixtureRequest) -> Any:
    """What ends them."""
    plugin = request.config.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    assert plugin is not None
    return plugin._end


def test_one_that_ignores_to_be_asked_is_ended(end: Any) -> None:
    with subprocess.Popen([sys.executable, "-c", _STUBBORN], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        (told,) = end({program.pid})
        assert "signal.pause()" in told
        assert not Path(f"/proc/{program.pid}").exists()


def test_what_it_has_started_ends_with_it(end: Any) -> None:
    with subprocess.Popen(["sh", "-c", f"{SLEEP} 1000 & echo $!; wait"], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        end({program.pid})
        assert not Path(f"/proc/{child}").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="namespaces are root's to make")
def test_a_container_is_though_one_that_was_in_it_was_not_waited_for(end: Any) -> None:
    """Its first process is gone only when all others are, which is for their parents to see: these are dead."""
    with (subprocess.Popen(["unshare", "--pid", "--fork", *_SLEEPING], stdout=subprocess.PIPE) as outer,
          subprocess.Popen(["nsenter", "--target", str(first := _child(outer)), "--pid", *_SLEEPING],
                           stdout=subprocess.PIPE) as entered):
        guest = _child(entered)
        entered.kill()
        outer.kill()
    os.kill(guest, signal.SIGKILL)  # whose parent is this process now, and has not waited for it
    assert end({first}) == [f"{SLEEP} 1000"]
    assert not Path(f"/proc/{first}").exists()
    assert not Path(f"/proc/{guest}").exists()


def test_one_that_others_have_waited_for_is_waited_for_no_more(end: Any) -> None:
    """While another child lives on, nobody says that it is gone."""
    with subprocess.Popen([SLEEP, "1000"]) as beside:
        gone = subprocess.Popen([SLEEP, "0"])
        gone.wait()
        assert end({gone.pid}) == [""]
        assert beside.poll() is None
        beside.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_ends_at_a_signal_though_the_test_at_work_has_its_own_way_with_it(
    tmp_path: Path, number: signal.Signals,
) -> None:
    """As a command does that a test runs: it says that it was interrupted, and returns."""
    (tmp_path / "test_two.py").write_text(_TWO)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "conftest", "-c", os.devnull, "test_two.py"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "NUMBER": str(int(number))}
    done = subprocess.run(run, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "first").exists()) == (pytest.ExitCode.INTERRUPTED, True), done.stdout
    assert not (tmp_path / "second").exists()


def _child(program: subprocess.Popen[bytes]) -> int:
    """That of a program of which that is all it does, once it says a word."""
    assert program.stdout is not None
    program.stdout.readline()
    return int(Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text("ascii").split()[0])
