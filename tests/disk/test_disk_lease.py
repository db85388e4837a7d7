"""Who has a file open for writing: the kernel's own answer."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from diffio_watch.disk import lease
from diffio_watch.disk.lease import Answer
from diffio_watch.disk.mounts import mount_of

pytestmark = pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="this system has no leases")


@pytest.fixture(autouse=True)
def prepared(tmp_path: Path) -> Iterator[None]:
    if not mount_of(str(tmp_path)).leases:
        pytest.skip("the temporary folder lies where leases are not true")
    before = signal.getsignal(signal.SIGIO)
    lease.prepare()
    yield
    signal.signal(signal.SIGIO, before)


def ask(path: Path) -> Answer:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return lease.ask(descriptor)
    finally:
        os.close(descriptor)


def test_a_file_that_nobody_writes_is_free_and_readers_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    with path.open("rb"):
        assert ask(path) is Answer.FREE


def test_a_writer_in_another_process_makes_it_busy_until_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    code = f"f = open({str(path)!r}, 'ab'); print(1, flush=True); input(); f.close(); print(2, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
        assert ask(path) is Answer.BUSY
        writer.stdin.write(b"\n")
        writer.stdin.flush()
        writer.stdout.readline()
        assert ask(path) is Answer.FREE
        writer.stdin.write(b"\n")


def test_the_lease_is_a_question_and_never_held(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    descriptor = os.open(path, os.O_RDONLY)
    assert lease.ask(descriptor) is Answer.FREE
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # a lease held would answer EWOULDBLOCK
    assert fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    os.close(descriptor)


def test_sigio_is_ignored_before_the_first_question_and_only_the_main_thread_can_do_that(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    assert signal.getsignal(signal.SIGIO) is signal.SIG_IGN
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask(path)))
    thread.start()
    thread.join()
    assert answers == [Answer.NOT_ALLOWED]
    assert ask(path) is Answer.FREE
    assert signal.getsignal(signal.SIGIO) is signal.SIG_IGN


def test_writers_that_come_and_go_while_it_is_asked_do_not_end_the_process(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    code = f"import os\nfor _ in range(3000): os.close(os.open({str(path)!r}, os.O_WRONLY))"
    with subprocess.Popen([sys.executable, "-c", code]) as writer:
        while writer.poll() is None:
            assert ask(path) in {Answer.FREE, Answer.BUSY}
        assert writer.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody who is not the owner")
def test_one_who_is_not_the_owner_is_not_allowed_to_ask(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    path.chmod(0o644)
    descriptor = os.open(path, os.O_RDONLY)  # before, for the temporary folder is closed to others
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        os._exit(0 if lease.ask(descriptor) is Answer.NOT_ALLOWED else 1)
    os.close(descriptor)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
