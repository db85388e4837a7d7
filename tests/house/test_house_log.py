"""Saying something never fails the work: what can't be told is counted, and the count told later."""

from __future__ import annotations

import errno
import io
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from diffio_watch.daemon.systemd import notify
from diffio_watch.logs import open_log, say


class Disk(io.StringIO):
    """A log file on a disk that is full for a while."""

    full = False

    def write(self, text: str, /) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_full_disk_loses_lines_and_nothing_else_and_the_loss_is_told(style: str) -> None:
    disk = Disk()
    log = open_log("info", style, secrets=list, stream=disk)
    log.info("one")
    disk.full = True
    for _ in range(3):
        log.error("two", exc_info=ValueError("x"))
    disk.full = False
    log.info("three")
    log.info("four")
    told = disk.getvalue()
    assert [word for word in ("one", "two", "three", "four") if word in told] == ["one", "three", "four"]
    assert told.count("log.lost") == 1
    if style == "json":
        lines = [json.loads(line) for line in told.splitlines()]
        assert [(line["event"], line.get("events")) for line in lines] == [
            ("one", None), ("three", None), ("log.lost", 3), ("four", None)]


class Odd:
    """A value that can't be told."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_no_value_and_no_stream_makes_a_line_raise(tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    with (tmp_path / "ascii").open("w", encoding="ascii") as narrow:
        full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it raises
        for stream in (io.StringIO(), closed, narrow, full):
            for style in ("console", "json"):
                log = open_log("debug", style, secrets=list, stream=stream)
                log.info("odd", value=Odd())
                log.info("name", path="\udcff\n")
                log.warning("r\xe9sum\xe9", detail="\ud83d")
                log.error("bound", level=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stderr", full)
            say("x" * 100_000)
        with pytest.raises(OSError, match="No space"):
            full.close()


def test_a_log_that_breaks_while_many_write_keeps_every_thread() -> None:
    disk = Disk()
    log = open_log("info", "json", secrets=list, stream=disk)
    disk.full = True
    broke: list[threading.ExceptHookArgs] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.excepthook", broke.append)
        threads = [threading.Thread(target=lambda: [log.info("x") for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    disk.full = False
    log.info("y")
    assert broke == []
    assert json.loads(disk.getvalue().splitlines()[-1])["events"] == 200


def test_a_closed_standard_error_is_no_reason_to_end() -> None:
    program = ("import sys; assert sys.stderr is None; from diffio_watch.logs import open_log, say; "
               "log = open_log('info', 'auto', secrets=list); log.error('x'); say('y'); print('done')")
    done = subprocess.run(["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program], stdout=subprocess.PIPE,
                          check=True)
    assert done.stdout == b"done\n"


@pytest.mark.parametrize("address", ["/nowhere/at/all", "@nobody-listens-here", "/x" * 200, "a\udcffb", "."])
def test_a_service_manager_that_is_gone_is_no_reason_to_end(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("STATUS=\udcff")


def test_a_service_manager_that_does_not_read_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "s"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "s"))

        def tells() -> None:
            for _ in range(2000):
                notify("WATCHDOG=1")

        thread = threading.Thread(target=tells, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
