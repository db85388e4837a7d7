"""The unit is one that systemd takes, that shuts in what it starts, and each of whose lines says why it is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd/diffio-watch.service"
COMMAND = "ExecStart=/opt/diffio-watch/current/bin/diffio-watch run\n"
NOT_THERE = ("ReadWritePaths=", "RequiresMountsFor=", "ProcSubset=", "RestrictSUIDSGID=", "PrivateUsers=",
             "DynamicUser=")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    assert COMMAND in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(COMMAND, f"ExecStart={sys.executable} -m diffio_watch run\n"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_whoever_breaks_into_it_finds_little(tmp_path: Path) -> None:
    """At most 1.5 of systemd's ten points of exposure, with CAP_LEASE granted."""
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", UNIT],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


def test_nothing_stands_there_that_would_do_harm() -> None:
    """Folders are the drop-in's; a share that is away stops no boot; leases fail in a user namespace; files on a NAS
    keep their owner; folders in the outbox are setgid; which boot this is stands in /proc/sys."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line.startswith(NOT_THERE)]


def test_every_setting_says_why() -> None:
    lines = [line for line in UNIT.read_text(encoding="utf-8").splitlines() if line]
    pairs = {("Wants", "After"), ("Restart", "RestartSec"), ("StateDirectory", "StateDirectoryMode")}
    for before, line in pairwise(lines):
        key = line.partition("=")[0]
        if key.isalpha() and key != "Description":
            assert before.startswith("#") or (before.partition("=")[0], key) in pairs, line


def test_the_unit_keeps_the_program_s_promises() -> None:
    """What no restart cures is exit status 2; the watchdog is fed by sd_notify; a stop takes at most 5 s."""
    settings = dict(line.split("=", 1) for line in UNIT.read_text(encoding="utf-8").splitlines() if "=" in line[1:])
    assert settings["Type"] == "notify"
    assert settings["Restart"] == "always"
    assert settings["RestartPreventExitStatus"] == "2"
    assert settings["StartLimitIntervalSec"] == "0"
    assert settings["StateDirectory"] == "diffio-watch"
    assert settings["StateDirectoryMode"] == "0700"
    assert settings["LoadCredential"].startswith("diffio-api-key:")
    assert int(settings["TimeoutStopSec"].removesuffix("s")) > 5
    assert "WatchdogSec" in settings
