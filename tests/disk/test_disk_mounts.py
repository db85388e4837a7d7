"""What a path lies on, and mount points that are promised and not there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from diffio_watch.disk.mounts import (
    Mount,
    around,
    expected_but_unmounted,
    mount_of,
    mounts,
    parse_mount_command,
    parse_mountinfo,
)

TABLE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:40 / /srv/nas\040one rw shared:1 - nfs4 nas:/export\040one rw,vers=4.2
41 27 0:41 / /srv/auto rw - autofs systemd-1 rw
42 41 0:42 / /srv/auto rw - cifs //nas/share rw
43 27 0:43 / /home/x/cloud rw master:2 - fuse.rclone remote: rw
"""


def test_what_is_mounted_around_a_path_is_told_apart_from_what_comes_in_its_place() -> None:
    """By the kernel's table alone, for a share that hangs can't be asked."""
    before = around(["/srv/nas one/show"], TABLE)
    assert around(["/srv/nas one/show"], TABLE) == before
    again = TABLE.replace("nas:/export", "nas:/other").splitlines()
    moved = [line.replace(line.split(" ")[0], "999", 1) if "nas" in line else line for line in again]
    assert around(["/srv/nas one/show"], "\n".join(moved)) != before, "mounted anew"
    assert around(["/srv/nas one/show"], "\n".join(line for line in again if "nas" not in line)) != before
    elsewhere = TABLE + "\n900 1 0:99 / /media/stick rw - vfat /dev/sdz rw"
    assert around(["/srv/nas one/show"], elsewhere) == before, "what is mounted elsewhere is no news"
    below = TABLE + "\n900 1 0:99 / /srv/nas\\040one/show/x rw - tmpfs tmpfs rw"
    assert around(["/srv/nas one/show"], below) != before


def test_each_mount_is_read_with_its_escapes() -> None:
    table = parse_mountinfo(TABLE)
    assert table[2] == Mount("/srv/nas one", "nfs4", "nas:/export one")
    assert len(table) == 6


def test_the_longest_mount_point_above_a_path_wins_and_the_later_of_two() -> None:
    table = parse_mountinfo(TABLE)
    assert mount_of("/srv/nas one/show", table).kind == "nfs4"
    assert mount_of("/srv/nas onetwo", table).kind == "ext4"
    assert mount_of("/srv/auto/x", table).kind == "cifs"


@pytest.mark.parametrize(("kind", "remote", "inodes", "leases"), [
    ("ext4", False, True, True), ("xfs", False, True, True), ("tmpfs", False, True, True), ("zfs", False, True, True),
    ("overlay", False, True, True), ("vfat", False, False, True), ("nfs4", True, False, False),
    ("cifs", True, False, False), ("smb3", True, False, False), ("fuse.sshfs", True, False, False),
    ("fuseblk", True, False, False), ("fuse", True, False, False), ("9p", True, False, False),
    ("ceph", True, False, False), ("fuse.glusterfs", True, False, False), ("apfs", False, True, True),
    ("", False, False, False),
])  # fmt: skip
def test_what_may_be_relied_on_follows_from_the_kind(kind: str, *, remote: bool, inodes: bool, leases: bool) -> None:
    mount = Mount("/x", kind, "s")
    assert (mount.remote, mount.inodes, mount.leases) == (remote, inodes, leases)


def test_macos_tells_through_its_mount_command() -> None:
    text = "/dev/disk3s1 on / (apfs, sealed, local)\n//me@nas/Share on /Volumes/My Share (smbfs, nodev, mounted by x)"
    table = parse_mount_command(text)
    assert table[1] == Mount("/Volumes/My Share", "smbfs", "//me@nas/Share")
    assert mount_of("/Volumes/My Share/in", table).remote


def test_a_real_fuse_mount_is_recognised(tmp_path: Path) -> None:
    with_fuse(tmp_path)
    try:
        found = mount_of(str(tmp_path / "fuse" / "not there yet"))
        assert found.fuse
        assert found.remote
        assert found.point == str(tmp_path / "fuse")
    finally:
        subprocess.run(["umount", tmp_path / "fuse"], check=True)


def test_this_machine_has_a_root() -> None:
    assert any(mount.point == "/" for mount in mounts())


def system(root: Path, fstab: str = "", units: dict[str, str] | None = None) -> Path:
    for name, text in {"etc/fstab": fstab, **(units or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_mount_point_of_fstab_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    root = system(tmp_path, "# a comment\nnas:/x  /srv/studio\\040a  nfs  noauto 0 0\n/dev/sda2 none swap sw 0 0\n")
    assert expected_but_unmounted("/srv/studio a/inbox", [], root) == "/srv/studio a"
    assert expected_but_unmounted("/srv/studio a", [], root) == "/srv/studio a"
    assert expected_but_unmounted("/srv/studio ab", [], root) is None
    assert expected_but_unmounted("/srv/studio a/inbox", [Mount("/srv/studio a", "nfs4", "nas:/x")], root) is None


def test_units_of_systemd_count_and_a_masked_one_does_not(tmp_path: Path) -> None:
    root = system(tmp_path, units={
        "etc/systemd/system/srv-a.mount": "[Mount]\nWhat=nas:/a\nWhere = /srv/a\n",
        "run/systemd/generator/srv-b.mount": "[Mount]\nWhere=/srv/b/\n",
        "etc/systemd/system/srv-c.mount": "",
        "run/systemd/generator/srv-c.mount": "[Mount]\nWhere=/srv/c\n",
        "usr/lib/systemd/system/tmp.mount": "[Mount]\nWhere=/tmp\n",
    })
    assert expected_but_unmounted("/srv/a/x", [], root) == "/srv/a"
    assert expected_but_unmounted("/srv/b/x", [], root) == "/srv/b"
    assert expected_but_unmounted("/srv/c/x", [], root) is None
    assert expected_but_unmounted("/tmp/x", [], root) is None, "distributions ship units that this host does not use"


def test_an_automount_that_nothing_triggered_is_not_mounted(tmp_path: Path) -> None:
    root = system(tmp_path, "nas:/x /srv/auto nfs x-systemd.automount 0 0\n")
    waiting = [Mount("/srv/auto", "autofs", "systemd-1")]
    assert expected_but_unmounted("/srv/auto/in", waiting, root) == "/srv/auto"
    assert expected_but_unmounted("/srv/auto/in", [*waiting, Mount("/srv/auto", "nfs4", "nas:/x")], root) is None


def test_the_root_and_a_system_without_tables_promise_nothing(tmp_path: Path) -> None:
    assert expected_but_unmounted("/srv/x", [], tmp_path) is None
    assert expected_but_unmounted("/srv/x", [], system(tmp_path, "/dev/sda1 / ext4 defaults 0 1\n")) is None


def with_fuse(folder: Path) -> None:
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs is not installed")
    (folder / "below").mkdir()
    (folder / "fuse").mkdir()
    done = subprocess.run(["bindfs", folder / "below", folder / "fuse"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no FUSE mount can be had here: {done.stderr.strip()}")
