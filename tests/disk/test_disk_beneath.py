"""Opening a file of a shared folder without being led out of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from diffio_watch.disk.beneath import NotRegular, open_beneath


def content(root: Path, path: str) -> bytes:
    descriptor = open_beneath(str(root), path)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def test_a_regular_file_is_opened_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.wav").write_bytes(b"c")
    assert content(tmp_path, "a/b/c.wav") == b"c"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "c.wav").write_bytes(b"c")
    (tmp_path / "root").symlink_to("real")
    assert content(tmp_path / "root", "c.wav") == b"c"


@pytest.mark.parametrize("path", ["link.wav", "folder/secret", "..", "../secret", "a/../../secret", "", "a/"])
def test_nothing_leads_out(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "outside" / "secret").write_bytes(b"s")
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "link.wav").symlink_to("../secret")
    (root / "folder").symlink_to("../outside")
    with pytest.raises(NotRegular):
        open_beneath(str(root), path)


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.wav"))
        names = ["fifo.wav", "folder.wav", "s.wav"]
        if os.geteuid() == 0:
            os.mknod(tmp_path / "device.wav", 0o600 | 0o020000, os.makedev(1, 3))
            names.append("device.wav")
        for name in names:
            with pytest.raises(NotRegular):
                open_beneath(str(tmp_path), name)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"x")
    before = len(list(Path("/dev/fd").iterdir()))
    content(tmp_path, "a/x.wav")
    for path in ("a/none.wav", "none/x.wav", "a"):
        with pytest.raises(OSError):  # noqa: PT011  # which one is not the matter here
            open_beneath(str(tmp_path), path)
    assert len(list(Path("/dev/fd").iterdir())) == before
