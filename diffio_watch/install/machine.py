"""What this machine says of folders, users and programs, before anything is written."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable
from typing import Final

from diffio_watch.disk import mounts
from diffio_watch.install.dropin import Facts

USER: Final = "diffio-watch"


def facts(paths: Iterable[str], more: Iterable[str] = ()) -> Facts:
    """What there is to know of these folders.

    Args:
        paths: real paths.
        more: groups that are to be given in any case.
    """
    table = mounts.mounts()

    def point(path: str) -> str:
        return mounts.expected_but_unmounted(path, table) or mounts.mount_of(path, table).point

    groups = dict.fromkeys([*more, *(name for path in paths if (name := shared_by(path)) is not None)])
    return Facts(point, closed, tuple(sorted(groups)))


def closed(folder: str) -> bool:
    """Whether root, who asks, may not look into a folder that is there."""
    try:
        with os.scandir(folder):
            return False
    except PermissionError:
        return True
    except OSError:
        return False  # not there now


def shared_by(folder: str) -> str | None:
    """The group whose members may do more in a folder than others may; None where there is none but root's."""
    try:
        found = os.stat(folder)
    except OSError:
        return None  # not there now: what an earlier installation gave is kept
    rights, others = found.st_mode >> 3 & 7, found.st_mode & 7
    if found.st_gid == 0 or not rights & ~others:
        return None
    try:
        name = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        return str(found.st_gid)  # a number that the share has: systemd takes it, too
    return None if name == USER else name


def has_user(groups: Iterable[str]) -> bool:
    """Whether the service's user is there, and a member of these groups."""
    try:
        own = os.getgrouplist(USER, pwd.getpwnam(USER).pw_gid)
        return all(grp.getgrnam(group).gr_gid in own for group in groups if not group.isdigit())
    except KeyError:
        return False


def has_group(name: str) -> bool:
    """Whether a group is there, by name or number."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return name.isdigit()
    return True
