"""The drop-in of the unit: what the configuration and the mounts of this machine ask of it.

`ReadWritePaths` has to name mount points, or folders above them. systemd binds what it names in place, and a bound
folder below a mount point keeps the share it was on: after the machine unmounts and mounts again, the service would
go on reading and writing the old one, and a rename from inbox to archive would cross two mounts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffio_watch.config import Config

STATE: Final = "/var/lib"  # where systemd makes a state folder by name
_HOMES: Final = ("/home", "/root", "/run/user")  # what ProtectHome= hides
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - what PrivateTmp= replaces
# granting one of these as a whole would undo ProtectSystem=
_SYSTEM: Final = frozenset({"/", "/bin", "/boot", "/dev", "/efi", "/etc", "/lib", "/lib64", "/opt", "/proc", "/run",
                            "/sbin", "/sys", "/usr", "/var", "/var/lib", *_HOMES, *_TEMPORARY})


@dataclass(frozen=True, slots=True)
class Facts:
    """What this machine says; paths are real ones.

    Attributes:
        point: the mount point that a path lies on, or will when what fstab and systemd know is mounted.
        closed: root may not read this folder, as on an NFS share with root_squash.
        groups: names of the groups that the folders belong to, and to which they give rights that others lack.
    """

    point: Callable[[str], str]
    closed: Callable[[str], bool]
    groups: tuple[str, ...] = ()


def folders(config: Config) -> dict[str, list[str]]:
    """Real paths of each inbox's folders, by its name: inbox, outbox, and archive where there is one."""
    found = {}
    for inbox in config.inboxes:
        named = [inbox.path, inbox.outbox, *([inbox.archive] if inbox.archive is not None else [])]
        found[inbox.name] = [os.path.realpath(path) for path in named]
    return found


def writable(groups: Iterable[Iterable[str]], facts: Facts) -> list[str]:
    """What `ReadWritePaths` names so that all these folders can be written.

    Args:
        groups: real paths of folders; those of one group are renamed from one to the other.
        facts: what this machine says.
    """
    named: set[str] = set()
    for paths in groups:
        by_point: dict[str, list[str]] = {}
        for path in paths:
            by_point.setdefault(facts.point(path), []).append(path)
        for point, on_it in by_point.items():
            if point not in _SYSTEM:
                named.add(_readable(point, facts))
            else:
                named.update(_local(on_it))
    return sorted(path for path in named if not any(_below(path, other) for other in named if other != path))


def _readable(point: str, facts: Facts) -> str:
    """A mount point; where root may not read it, a folder above: systemd 255 and newer starts no unit that names it."""
    above = os.path.dirname(point)
    return above if facts.closed(point) and above not in _SYSTEM else point


def _local(paths: list[str]) -> list[str]:
    """Folders of the system's own filesystem: what is above all of them, else above each, else they themselves."""
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    if common not in _SYSTEM:
        return [common]
    return [path if os.path.dirname(path) in _SYSTEM else os.path.dirname(path) for path in paths]


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def within(path: str, places: Iterable[str]) -> bool:
    """Whether a path is one of these or below one."""
    return any(path == place or _below(path, place) for place in places)


def in_home(path: os.PathLike[str] | str) -> bool:
    """Whether a path is, by its real name, where ProtectHome= hides it."""
    return within(os.path.realpath(path), _HOMES)


def in_temporary(path: os.PathLike[str] | str) -> bool:
    """Whether a path is, by its real name, where PrivateTmp= shows another folder."""
    return within(os.path.realpath(path), _TEMPORARY)


def secrets(config: Config) -> dict[str, Path]:
    """Files of secrets that the service is to read, by the keys that name them."""
    named: Mapping[str, Path | None] = {
        "api.key_file": config.api.key_file, "web.token_file": config.web.token_file,
        "webhook.secret_file": config.webhook.secret_file,
        "notify.urls_file": getattr(config.notify, "urls_file", None)}
    return {key: path for key, path in named.items() if path is not None}


def render(config: Config, facts: Facts) -> str:
    """The drop-in's text."""
    shares = folders(config)
    every = [path for paths in shares.values() for path in paths]
    state = os.path.realpath(config.state_dir)
    lines = ["# Written by `diffio-watch service install` from /etc/diffio-watch/config.yaml and the mounts of this",
             "# machine, anew each time: lines of your own go into another file beside it.", "[Service]",
             "# Mount points of the configured folders, or what is above them: never those folders themselves, which",
             "# would keep showing the old share after it was mounted again. What is not there is left out (-)."]
    lines += [f"ReadWritePaths=-{_quoted(path)}" for path in writable(shares.values(), facts)]
    if os.path.dirname(state) == STATE:
        if os.path.basename(state) != "diffio-watch":
            lines += ["# The journal, as `state_dir` has it.", "StateDirectory=",
                      f"StateDirectory={_quoted(os.path.basename(state))}"]
    else:
        lines += ["# The journal, as `state_dir` has it.", f"ReadWritePaths=-{_quoted(state)}"]
    if facts.groups:
        lines += ["# What belongs to these groups it may use as their members do."]
        lines += [f"SupplementaryGroups={' '.join(facts.groups)}"]
    if any(within(path, _HOMES) for path in [*every, state]):
        lines += ["# A configured folder is in somebody's home.", "ProtectHome=no"]
    if any(within(path, _TEMPORARY) for path in every):
        lines += ["# A configured folder is in /tmp.", "PrivateTmp=no"]
    if config.api.key_file is not None:
        lines += ["# The key is in `api.key_file`.", "LoadCredential="]
    listen = config.web.listen
    if listen is not None and listen.startswith("unix:"):
        folder = os.path.dirname(os.path.realpath(listen.removeprefix("unix:")))
        if folder != "/run/diffio-watch":
            lines += ["# Where the page's socket is to be.", f"ReadWritePaths=-{_quoted(folder)}"]
    return "\n".join(lines) + "\n"


def _quoted(path: str) -> str:
    """A path as systemd.syntax(7) reads it: `%` begins a specifier, a blank ends a word."""
    raw = os.fsencode(path)
    plain = all(byte in _PLAIN for byte in raw)
    if plain:
        return path.replace("%", "%%")
    escaped = "".join(chr(byte) if byte in _PLAIN or byte == 32 else f"\\x{byte:02x}" for byte in raw)
    return '"' + escaped.replace("%", "%%") + '"'


_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=,:@%")
