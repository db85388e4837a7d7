"""The benchmarks can be run; what they measure is no matter of the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import bench_world
import pytest
from bench_lines import LINES
from bench_table import Row, merged, table
from bench_world import World
from programs import Program

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
PROGRAM = str(Path(sys.executable).with_name("diffio-watch"))


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_each_line_can_be_measured(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_world, "begin", Program)
    with tempfile.TemporaryDirectory() as folder:  # names of sockets are short
        rows = LINES[line].measure(World(Path(folder), PROGRAM, "few", compare=True))
        assert [*Path(folder).iterdir()] == []
    assert all(row.now or row.of.startswith("needs ") for row in rows)
    assert table(rows)


@pytest.mark.slow
def test_they_are_measured_by_a_command() -> None:
    done = subprocess.run([sys.executable, str(Path(__file__).parent), "pickup", "--few", "--times", "1"],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "once" in done.stdout


def test_the_table_shows_medians_ratios_and_how_often_each_was_measured() -> None:
    rows = merged(Row("files a second", "/s", [now], {"the other": [150.0], "a third": []}, of="4 files")
                  for now in (90.0, 100.0, 120.0))
    told = table(rows).splitlines()
    assert told[0].split() == ["what", "now", "instead", "ratio", "measured"]
    assert re.split("  +", told[2]) == ["files a second", "100 /s", "the other: 150 /s", "0.67",
                                        "3 times, 4 files, ± 15%"]
