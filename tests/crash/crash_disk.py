"""A disk whose plug can be pulled: what was written and not flushed is lost, in part, in no order, torn by sectors.

It is a block device's content in memory, shown to the kernel as one file (a FUSE filesystem whose root is a regular
file), which a loop device sits on. A write through the loop device arrives here as a write, a flush of the device as
an fsync. Run as a program it serves that file; the filesystem on top of it must never be touched by this process.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import random
import select
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

SIZE: Final = 48 << 20
_SECTOR: Final = 4096  # what a disk writes whole or not; ext4 relies on it for its superblock
_MOST: Final = 1 << 20  # bytes of one write
_HEADER: Final = struct.Struct("<IIQQIIII")
_BLKFLSBUF: Final = 0x1261  # of linux/fs.h
_FOPEN_DIRECT_IO: Final = 1  # of linux/fuse.h: the kernel keeps nothing of the file
_ANSWER: Final = struct.Struct("<IiQ")
_LIBC: Final = ctypes.CDLL(None, use_errno=True)  # disks are mounted hundreds of times; the program takes 10 ms
_NOSUID_NODEV: Final = 6  # of sys/mount.h


class Call(IntEnum):
    """Requests of the kernel's FUSE protocol, version 7."""

    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


class Served:
    """The content, and what of it is safe."""

    def __init__(self, content: bytes) -> None:
        self.now = bytearray(content)
        self._safe = bytearray(content)
        self._unsafe: list[tuple[int, bytes]] = []
        self._fatal = 0
        self._pid = 0
        self._dice = random.Random()
        self.off = False

    def write(self, offset: int, data: bytes) -> None:
        if self.off:
            return
        self.now[offset:offset + len(data)] = data
        self._unsafe.append((offset, data))
        self._step()

    def flush(self) -> None:
        if not self.off:
            self._step()
        if not self.off:  # the plug was not pulled before its end
            for offset, data in self._unsafe:
                self._safe[offset:offset + len(data)] = data
            self._unsafe.clear()

    def arm(self, writes: int, seed: int, pid: int) -> None:
        """Pull the plug at so many writes and flushes from now on, and end that process with it."""
        self._fatal, self._pid, self._dice = writes, pid, random.Random(seed)

    def _step(self) -> None:
        if self._fatal:
            self._fatal -= 1
            if not self._fatal:
                with suppress(ProcessLookupError):  # it came to its end just before
                    os.kill(self._pid, signal.SIGKILL)
                self.pull()

    def pull(self) -> int:
        """Take the power away; how many sectors were lost."""
        if self.off:
            return 0
        self.off = True
        lost = 0
        share = self._dice.choice((0.0, 0.5, 0.9, 1.0))
        for offset, data in self._unsafe:
            end = offset + len(data)
            for sector in range(offset // _SECTOR * _SECTOR, end, _SECTOR):
                first, last = max(offset, sector), min(end, sector + _SECTOR)
                if self._dice.random() < share:
                    self._safe[first:last] = data[first - offset:last - offset]
                else:
                    lost += 1
        return lost

    def boot(self) -> None:
        """Power again: what was saved is all there is."""
        for offset, data in self._unsafe:
            self.now[offset:offset + len(data)] = self._safe[offset:offset + len(data)]
        self._unsafe.clear()
        self.off, self._fatal = False, 0


def _serve(path: str, content: bytes) -> None:
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fuse},rootmode={stat.S_IFREG | 0o600:o},user_id=0,group_id=0".encode()
    _told(_LIBC.mount(b"crash-disk", path.encode(), b"fuse", _NOSUID_NODEV, options), "mount")
    disk = Served(content)
    print("ready", flush=True)  # noqa: T201 - the first answer
    while True:
        ready, _, _ = select.select([fuse, 0], [], [])
        if fuse in ready:
            try:
                request = os.read(fuse, _MOST + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:  # unmounted
                    return
                raise
            answer = _answer(disk, request)
            if answer is not None:
                os.write(fuse, answer)
        elif 0 in ready:
            line = os.read(0, 4096)
            if not line:
                return
            command, *args = json.loads(line)
            print(json.dumps(getattr(disk, command)(*args)), flush=True)  # noqa: T201 - likewise


def _answer(disk: Served, request: bytes) -> bytes | None:
    _, call, unique, *_ = _HEADER.unpack_from(request)
    body = request[_HEADER.size:]
    code, data = 0, b""
    match call:
        case Call.INIT:
            data = struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 17, 1 << 5, 16, 12, _MOST, 1, 256, 0, 0, *[0] * 7)
        case Call.GETATTR | Call.SETATTR:
            data = struct.pack("<QII6Q10I", 3600, 0, 0, 1, SIZE, SIZE // 512, 0, 0, 0, 0, 0, 0,
                               stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)
        case Call.OPEN:
            data = struct.pack("<QII", 1, _FOPEN_DIRECT_IO, 0)
        case Call.READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            data = bytes(disk.now[offset:offset + size])
        case Call.WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            disk.write(offset, body[40:40 + size])
            data = struct.pack("<II", size, 0)
        case Call.FSYNC:
            disk.flush()
        case Call.RELEASE | Call.FLUSH | Call.DESTROY:
            pass
        case Call.FORGET | Call.BATCH_FORGET | Call.INTERRUPT:  # nobody waits for an answer
            return None
        case _:
            code = -errno.ENOSYS
    return _ANSWER.pack(_ANSWER.size + len(data), code, unique) + data


class Disk:
    """Such a disk with an ext4 on it, mounted at `mount` while there is power."""

    def __init__(self, base: Path) -> None:
        self.mount, self._file = base / "mounted", base / "disk"
        self.mount.mkdir()
        self._file.touch()
        image = base / "image"
        with image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
        self._server = subprocess.Popen([sys.executable, __file__, str(self._file), str(image)], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"
        self._loop = _run("losetup", "--find", "--show", str(self._file))
        self._up()

    def _ask(self, *command: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(command) + "\n")
        return json.loads(self._server.stdout.readline())

    def arm(self, writes: int, seed: int, pid: int) -> None:
        """Pull the plug within the n-th write or flush from now on; the process is gone at that instant."""
        self._ask("arm", writes, seed, pid)

    def cut(self) -> int:
        """Pull the plug, if it was not pulled yet, and start again from what was saved; how many sectors were lost."""
        lost: int = self._ask("pull")
        self._down()
        self._ask("boot")
        self._up()
        return lost

    def sync(self) -> None:
        """All that is on it is flushed."""
        folder = os.open(self.mount, os.O_RDONLY)
        _told(_LIBC.syncfs(folder), "sync")
        os.close(folder)

    def _up(self) -> None:
        _told(_LIBC.mount(self._loop.encode(), bytes(self.mount), b"ext4", 0, None), "mount")

    def _down(self) -> None:
        while self.mount.is_mount():  # it may have failed to come up
            try:
                _told(_LIBC.umount2(bytes(self.mount), 0), "umount")
            except OSError as error:
                if error.errno != errno.EBUSY:  # the sandbox's thread may be just about to write into it
                    raise
                time.sleep(0.001)
        device = None
        while device is None:  # the filesystem may end a little after its mount, and is another's till then
            try:
                device = os.open(self._loop, os.O_RDONLY | os.O_EXCL)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                time.sleep(0.001)
        fcntl.ioctl(device, _BLKFLSBUF)  # the kernel must not remember what the disk has forgotten
        os.close(device)

    def close(self) -> None:
        """End of the disk."""
        self._down()
        _run("losetup", "--detach", self._loop)
        # detaching ends when the last one lets go of the device, and this is how the system tells
        while Path("/sys/block", Path(self._loop).name, "loop").exists():
            time.sleep(0.001)
        _told(_LIBC.umount2(bytes(self._file), 0), "umount")
        self._server.communicate(timeout=10)


@contextmanager
def plugged(base: Path) -> Iterator[Disk]:
    """A new disk."""
    disk = Disk(base)
    try:
        yield disk
    finally:
        disk.close()


def missing() -> str | None:
    """Why there can be no such disk here; None where there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounting needs root on Linux"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(device, os.R_OK | os.W_OK):
            return f"there is no {device} to use"
    if not any(Path(folder, "mkfs.ext4").exists() for folder in ("/sbin", "/usr/sbin")):
        return "there is no mkfs.ext4"
    return None


def _told(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), what)


def _run(*command: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          env={**os.environ, "PATH": path}).stdout.strip()


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]).read_bytes())
