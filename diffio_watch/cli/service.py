"""The installed service as commands need it: as whom it runs, with which groups, rights and key.

A command that root starts goes on as the service's user with the groups that the running daemon has, else those that
its systemd unit gives it: with the user's own groups alone, it would find folders closed that the service may use.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diffio_watch.cli import accounts

_CAP_LEASE: Final = 28  # bit, from capability.h
_PATTERN: Final = "diffio-watch*.service"
_JOURNAL: Final = ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm", "lock")
_CREDENTIAL: Final = "diffio-api-key"
_SHOWN: Final = "User,Group,SupplementaryGroups,AmbientCapabilities,StateDirectory,LoadState"
_PATIENCE: Final = 10.0  # seconds that systemctl may take
_UNIT: Final = re.compile(r"/([^/]+\.service)$", re.MULTILINE)
_LOADED: Final = re.compile(rf"^\s*LoadCredential(Encrypted)?=\s*{_CREDENTIAL}:(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Service:
    """The service of this machine.

    Attributes:
        unit: its systemd unit; "" where a daemon runs that none started.
        uid: of its user.
        gid: its group.
        groups: its supplementary groups.
        lease: it has CAP_LEASE.
        state_dirs: folders that systemd makes for it in /var/lib, by name.
        running: a daemon runs.
        key_from: the file of the key that systemd gives it, be there one in it or not; "" where that is not known.
    """

    unit: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    lease: bool = False
    state_dirs: tuple[str, ...] = ()
    running: bool = False
    key_from: str = ""

    @property
    def user(self) -> str:
        """The user's name."""
        return accounts.user(self.uid)

    def told(self) -> str:
        """As whom it runs, in words."""
        names = dict.fromkeys(accounts.group(number) for number in (self.gid, *self.groups))
        return f"{self.user}, with the groups {', '.join(names)}" if len(names) > 1 else (
            f"{self.user}, with the group {next(iter(names))}")

    def makes(self, folder: Path) -> bool:
        """Whether systemd makes a folder for it when it starts."""
        return any(folder == Path("/var/lib", name) for name in self.state_dirs)


def find(state_dir: Path) -> Service | None:
    """The service whose journal is in a folder, or will be; None where there is none to be seen.

    Args:
        state_dir: the folder; it need not exist yet.
    """
    from diffio_watch.journal import holder

    try:
        pid = holder(state_dir)
        if pid:
            return of_process(Path(f"/proc/{pid}/status").read_text("ascii", "replace"),
                              Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace"))
    except OSError:
        pass  # not ours to see, or it has just ended
    try:
        owner: int | None = state_dir.stat().st_uid
    except OSError:
        owner = None
    for unit in _units():
        service = of_unit(unit, systemctl("show", f"--property={_SHOWN}", unit))
        if service is not None and owner in (None, service.uid):
            return service
    return None


def of_process(status: str, cgroup: str) -> Service:
    """The service that a running daemon is, by what the kernel says of its process (/proc/PID/status and cgroup)."""
    facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    unit = _UNIT.search(cgroup)
    return Service(
        unit[1] if unit else "", int(facts["Uid"].split()[1]), int(facts["Gid"].split()[1]),
        tuple(int(number) for number in facts["Groups"].split()), bool(int(facts["CapEff"], 16) >> _CAP_LEASE & 1),
        running=True)


def of_unit(unit: str, shown: str) -> Service | None:
    """The service that a systemd unit starts, by what `systemctl show` says of it; None where it can start none."""
    facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if facts.get("LoadState") != "loaded":
        return None
    try:
        person = accounts.person(facts.get("User") or "root")
        gid = accounts.gid(facts["Group"]) if facts.get("Group") else person.pw_gid
        more = [accounts.gid(name) for name in facts.get("SupplementaryGroups", "").split()]
    except KeyError:
        return None  # a user or group that is not there: the unit can't start
    groups = (*os.getgrouplist(person.pw_name, gid), *more)
    return Service(unit, person.pw_uid, gid, tuple(dict.fromkeys(groups)),
                   "cap_lease" in facts.get("AmbientCapabilities", "").lower().split() or person.pw_uid == 0,
                   tuple(facts.get("StateDirectory", "").split()))


def become_owner(state_dir: Path, *, key: bool = False, early: bool = False,
                 make: bool = False) -> Service | None:
    """Run as root, go on as the user the journal belongs to, so that nothing in it ends up root's.

    Args:
        state_dir: the journal's folder.
        key: bring along the key that systemd gives the service.
        early: where there is no such folder yet and systemd will make it for the service that is installed, go on as
            the service's user all the same.
        make: likewise, and make the folder for that user: root's own would be closed to the service.

    Returns:
        The service as whose user the command goes on; None where there is none, or where it is not root who asks.

    Raises:
        OSError: the system does not allow it.
    """
    if os.geteuid() != 0:
        return None
    service = find(state_dir)
    try:
        owner = state_dir.stat()
    except OSError:
        if service is None or not (early or make) or not service.makes(state_dir):
            return None
        if make:
            state_dir.mkdir(mode=0o700)
            os.chown(state_dir, service.uid, service.gid)
        uid, gid = service.uid, service.gid
    else:
        uid, gid = owner.st_uid, owner.st_gid
        _hand_over(state_dir, uid, gid)
        if service is not None and service.uid != uid:
            service = None  # somebody else's
    if service is not None:
        if key and "CREDENTIALS_DIRECTORY" not in os.environ:
            service = replace(service, key_from=_lend_key(service))
        if uid != 0:
            _become(uid, service.gid, service.groups)
    elif uid != 0:
        try:
            person = pwd.getpwuid(uid)
        except KeyError:  # a number without a name, as in containers
            _become(uid, gid, [gid])
        else:
            _become(uid, person.pw_gid, os.getgrouplist(person.pw_name, person.pw_gid))
    return service


def _hand_over(state_dir: Path, uid: int, gid: int) -> None:
    """Give the owner of `state_dir` what root has put there, such as a copy of the journal in a lost one's place.

    Whoever owns the folder decides what its names lead to: only a file that is root's, regular and has no other name
    is given away.
    """
    for name in _JOURNAL:
        try:
            descriptor = os.open(state_dir / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # not there, or no file
        try:
            found = os.fstat(descriptor)
            if uid and stat.S_ISREG(found.st_mode) and (found.st_uid, found.st_nlink) == (0, 1):
                os.fchown(descriptor, uid, gid)
        finally:
            os.close(descriptor)


def _lend_key(service: Service) -> str:
    """Give this process the key that systemd gives the service; before it becomes the service's user.

    Returns:
        The file that it is from, or is to be; "" where that is not known.
    """
    if not service.unit:
        return ""
    if lent := lend_credential(service):
        return lent
    found = [*_LOADED.finditer(systemctl("cat", service.unit))]
    if not found:
        return ""
    encrypted, file = found[-1].groups()
    try:
        key = (_run("systemd-creds", "decrypt", f"--name={_CREDENTIAL}", file, "-") if encrypted
               else Path(file).read_text("utf-8", "replace")).strip()
    except OSError:
        key = ""
    if key:
        os.environ["DIFFIO_API_KEY"] = key  # of this process alone
    else:
        os.environ.pop("DIFFIO_API_KEY", None)  # the service would not have that of whoever asks
    return file


def lend_credential(service: Service) -> str:
    """Have this process use the credential that systemd holds ready while the service runs, which its user may read.

    Returns:
        Its file; "" where there is none to be seen, or this process has credentials of its own.
    """
    given = Path("/run/credentials", service.unit)
    if "CREDENTIALS_DIRECTORY" in os.environ or not service.unit or not os.access(given / _CREDENTIAL, os.R_OK):
        return ""
    os.environ["CREDENTIALS_DIRECTORY"] = str(given)
    return str(given / _CREDENTIAL)


def _become(uid: int, gid: int, groups: Iterable[int]) -> None:
    os.setgroups([*groups])
    os.setgid(gid)
    try:
        person = pwd.getpwuid(uid)
    except KeyError:
        pass
    else:
        os.environ.update(HOME=person.pw_dir, USER=person.pw_name, LOGNAME=person.pw_name)
    os.setuid(uid)


def _units() -> list[str]:
    """Names of installed units that may be this program's; the plain one first."""
    listed = systemctl("list-unit-files", "--type=service", "--no-legend", "--plain", _PATTERN)
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    return sorted((name for name in names if "@." not in name), key=lambda name: (len(name), name))


def systemctl(*arguments: str) -> str:
    """What `systemctl` says; "" where there is none, or where it does not answer."""
    try:
        return _run("systemctl", "--no-pager", *arguments)
    except OSError:
        return ""


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",  # noqa: S603  # words of our own
                              timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} does not answer") from error
    return done.stdout if done.returncode == 0 else ""
