"""A delivery that is killed at any line goes on from its last commit, and nobody ever sees a torn or second file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import outbox_killed
import pytest


def every_line(name: str, *arguments: str | Path) -> None:
    """Have `outbox_killed` do it at every line."""
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, outbox_killed.__file__, name, *map(str, arguments)], check=False,
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory, where there is such a filesystem: a killed process loses nothing of it, and syncs cost no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="diffio-watch-test-", dir="/dev/shm") as made:
        yield Path(made)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "taken"), [("atomic", "free"), ("atomic", "taken"), ("link", "taken"),
                                            ("lock", "taken")])
def test_a_delivery_killed_at_every_line(folder: Path, way: str, taken: str) -> None:
    every_line("delivery", folder, way, taken)


@pytest.mark.parametrize("originals", ["archive", "delete"])
def test_the_disposal_of_an_original_killed_at_every_line(folder: Path, originals: str) -> None:
    every_line("disposal", folder, folder, originals)


def test_the_disposal_into_another_filesystem_killed_at_every_line(elsewhere: Path, tmp_path: Path) -> None:
    every_line("disposal", *sorted((elsewhere, tmp_path)), "archive")  # from memory to a disk, if one is that


def test_a_crash_before_the_first_commit_leaves_only_what_a_sweep_removes(tmp_path: Path) -> None:
    every_line("a delivery's beginning", tmp_path)
