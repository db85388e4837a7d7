"""What a path lies on: the kind of filesystem, where it comes from, and what may be relied on there."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_NETWORK: Final = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "hgfs", "lustre", "macfuse",
    "ncp", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "osxfuse", "panfs", "prl_fs", "smb2", "smb3", "smbfs",
    "sshfs", "vboxsf", "virtiofs", "vmhgfs", "webdav",
})
# made-up inode numbers: another one for the same file after a remount
_NO_INODES: Final = frozenset({"vfat", "msdos", "exfat", "iso9660", "udf", "ecryptfs", ""})
# where administrators and generators put units; what distributions ship in /usr/lib is not a promise of this host
_UNITS: Final = ("etc/systemd/system", "run/systemd/transient", "run/systemd/system", "run/systemd/generator",
                 "run/systemd/generator.late", "usr/local/lib/systemd/system")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted filesystem.

    Attributes:
        point: where it is mounted.
        kind: the kernel's word for it; "" if it could not be had.
        source: a device or a share.
        part: which folder of that is mounted; "/" where that is all of it, or not told.
        number: the kernel's for this mount, for as long as it is mounted; 0 where it has none.
    """

    point: str
    kind: str
    source: str
    part: str = "/"
    number: int = field(default=0, compare=False)

    def identity(self, path: str) -> str:
        """What tells a folder of it from what else may come into its place: "/dev/sda1[/studio/in]"; "" if not told.

        It is the same after a remount, and through a bind mount, such as systemd makes where a unit may write. What
        part of itself a server shows is its own affair, and in its source.

        Args:
            path: of the folder, without links.
        """
        below = path[len(self.point.rstrip("/")):] if _within(path, self.point) else ""
        part = posixpath.normpath(f"/{self.part}/{below}").replace("//", "/")
        return self.source if self.remote or part == "/" or not self.source else f"{self.source}[{part}]"

    @property
    def fuse(self) -> bool:
        """Whether a program in user space stands behind it."""
        return self.kind.startswith("fuse") and self.kind != "fusectl"

    @property
    def remote(self) -> bool:
        """Whether changes may come from elsewhere, or through FUSE, without an event here: it is polled."""
        return self.fuse or self.kind in _NETWORK

    @property
    def inodes(self) -> bool:
        """Whether an inode number names the same file tomorrow."""
        return not self.remote and self.kind not in _NO_INODES

    @property
    def leases(self) -> bool:
        """Whether the kernel may be asked about writers: not where others write too, and not FUSE, which grants all.

        What knows no leases refuses them, and that is told as what it is.
        """
        return bool(self.kind) and not self.remote


def mount_of(path: str, table: list[Mount] | None = None) -> Mount:
    """The filesystem that `path` lies on; the path need not exist.

    Args:
        path: any path; symbolic links in it are followed.
        table: the mounts of the system; read anew where None.
    """
    real = os.path.realpath(path)
    found = Mount("/", "", "")
    for mount in mounts() if table is None else table:
        # of two at one place the later hides the earlier
        if _within(real, mount.point) and len(mount.point) >= len(found.point):
            found = mount
    return found


def mount_at(folder: int, path: str) -> Mount:
    """The filesystem that an open folder lies on, where the kernel tells it; else the one that its path lies on.

    By the path alone a mount would be found too that is hidden by another one over a folder above it.

    Args:
        folder: its descriptor.
        path: what it was opened by.
    """
    number = re.search(r"^mnt_id:\s*(\d+)$", _read(Path(f"/proc/self/fdinfo/{folder}")), re.MULTILINE)
    table = mounts()
    if number is not None:
        for mount in table:
            if mount.number == int(number[1]):
                return mount
    return mount_of(path, table)


def mounts() -> list[Mount]:
    """Everything that is mounted here and now, in the order it was mounted in; empty where the system does not tell."""
    if sys.platform == "darwin":
        # no call of Python's library names the kind of a filesystem
        told = subprocess.run(["/sbin/mount"], capture_output=True, check=False)
        return parse_mount_command(os.fsdecode(told.stdout))
    return parse_mountinfo(table())


def table() -> str:
    """The kernel's table of mounts; "" where the system has none. It answers also where a filesystem hangs."""
    return _read(Path("/proc/self/mountinfo"))


def around(paths: Iterable[str], text: str) -> frozenset[str]:
    """What tells the mounts at, above and below these paths from others that come in their place, one word each.

    Args:
        paths: absolute, without links.
        text: the kernel's table.
    """
    wanted = list(paths)
    found = set()
    for line in text.split("\n"):
        fields = line.split(" ")
        point = _unescape(fields[4]) if len(fields) >= 5 else None
        if point is not None and any(_within(path, point) or _within(point, path) for path in wanted):
            found.add(" ".join(fields[:5]))  # its number, its parent's, the device, what of it, and where
    return frozenset(found)


def parse_mountinfo(text: str) -> list[Mount]:
    """Read the kernel's table (proc(5), /proc/pid/mountinfo)."""
    found = []
    for line in text.split("\n"):
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) >= 5 and len(rest) >= 2:
            number = int(fields[0]) if fields[0].isdecimal() else 0
            found.append(Mount(_unescape(fields[4]), rest[0], _unescape(rest[1]), _unescape(fields[3]), number))
    return found


def parse_mount_command(text: str) -> list[Mount]:
    """Read what macOS's `mount` prints."""
    return [Mount(found[2], found[3], found[1])
            for found in re.finditer(r"^(.+?) on (/.*) \(([^,)]+)[^()]*\)$", text, re.MULTILINE)]


def expected_but_unmounted(path: str, table: list[Mount] | None = None, root: Path = Path("/")) -> str | None:
    """The mount point at or above `path` that fstab or systemd knows and that is not mounted; None if there is none.

    An automount that nothing has triggered yet counts as not mounted.

    Args:
        path: any path; symbolic links in it are followed.
        table: the mounts of the system; read anew where None.
        root: where `etc` and `run` are.
    """
    real = os.path.realpath(path)
    mounted = {mount.point: mount.kind for mount in (mounts() if table is None else table)}
    for point in sorted(_fstab_points(root) | _unit_points(root), key=len, reverse=True):
        if point != "/" and _within(real, point):
            return point if mounted.get(point, "autofs") == "autofs" else None
    return None


def _within(path: str, point: str) -> bool:
    return point in {"/", path} or path.startswith(point + "/")


def _unescape(word: str) -> str:
    """Undo the octal escapes of fstab(5) and proc(5): backslash 040 is a space."""
    if "\\" not in word:
        return word
    raw = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 255]), os.fsencode(word))
    return os.fsdecode(raw)


def _fstab_points(root: Path) -> set[str]:
    found = set()
    for line in _read(root / "etc/fstab").splitlines():
        fields = line.split()
        if len(fields) >= 3 and not fields[0].startswith("#") and fields[1].startswith("/"):
            found.add(os.path.normpath(_unescape(fields[1])))
    return found


def _unit_points(root: Path) -> set[str]:
    found: dict[str, set[str]] = {}
    for folder in _UNITS:
        try:
            units = [unit for unit in (root / folder).iterdir() if unit.suffix in {".mount", ".automount"}]
        except OSError:
            continue  # this system has none there
        for unit in units:
            if unit.name not in found:  # the first hides the others
                where = re.findall(r"^\s*Where\s*=\s*(/.*?)\s*$", _read(unit), re.MULTILINE)
                found[unit.name] = {os.path.normpath(point) for point in where}
    return set().union(*found.values())


def _read(path: Path) -> str:
    """A small text file of the system; "" where it can't be read: then the system tells nothing."""
    try:
        with path.open("rb") as file:
            return os.fsdecode(file.read(1 << 20))
    except OSError:
        return ""
