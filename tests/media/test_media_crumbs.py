"""A file that makes MediaInfo crash is refused at last, and brings the daemon down no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_PROBE = """
import os, sys
from pathlib import Path
from diffio_watch.media import mediainfo
if "crash" in sys.argv:
    mediainfo._parse = lambda file: os.kill(os.getpid(), 11)
mediainfo.remember_in(Path(sys.argv[1]))
try:
    print(mediainfo.probe(os.open(sys.argv[2], os.O_RDONLY)))
except mediainfo.ProbeFailed as error:
    print("refused:", error)
"""


def _probe(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _PROBE, str(tmp_path / "probing"), str(tmp_path / "a.wav"), *words],
                          capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def _file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(os.urandom(100))


def test_the_fourth_try_after_three_crashes_is_refused(tmp_path: Path) -> None:
    for _ in range(3):
        assert _probe(tmp_path, "crash").returncode == -signal.SIGSEGV
    done = _probe(tmp_path, "crash")
    assert done.returncode == 0
    assert done.stdout.startswith("refused: ")


def test_a_probe_that_comes_back_leaves_no_crumb(tmp_path: Path) -> None:
    assert _probe(tmp_path, "crash").returncode == -signal.SIGSEGV
    assert _probe(tmp_path).stdout == "None\n"
    assert list((tmp_path / "probing").iterdir()) == []


def test_a_folder_that_takes_no_crumbs_is_no_fault_of_the_file(tmp_path: Path) -> None:
    program = _PROBE.replace("try:", "mediainfo._crumbs = Path(sys.argv[2])\ntry:", 1)  # no folder at all
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "probing"), str(tmp_path / "a.wav")],
                          capture_output=True, text=True, check=False)
    assert done.stdout == "None\n", done.stderr
