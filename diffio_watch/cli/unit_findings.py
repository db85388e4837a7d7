"""What `check` finds out about the service's systemd unit: whether it lets the service reach what is configured.

A folder that came into the configuration later lies outside of what the unit lets the service write, which neither its
user's rights nor a reload tell.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Final

from diffio_watch.cli.findings import Finding, error, warning
from diffio_watch.cli.service import systemctl
from diffio_watch.install import dropin
from diffio_watch.install.shipped import UNIT

if TYPE_CHECKING:
    from diffio_watch.cli.service import Service
    from diffio_watch.config import Config, Inbox

_SHOWN: Final = "ProtectSystem,ReadWritePaths,StateDirectory,ProtectHome,PrivateTmp,RootDirectory,RootImage"


def unit(config: Config, service: Service | None) -> list[Finding]:
    """Nothing where no unit is known, or all is within it.

    Args:
        config: the configuration.
        service: the service of this machine, if there is one to be seen.
    """
    if service is None or not service.unit:
        return []
    return outside(config, service.unit, systemctl("show", f"--property={_SHOWN}", service.unit))


def outside(config: Config, name: str, shown: str) -> list[Finding]:
    """What the unit keeps from the service, by what `systemctl show` says of it.

    Args:
        config: the configuration.
        name: of the unit.
        shown: its properties, a line each.
    """
    facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if facts.get("RootDirectory") or facts.get("RootImage"):
        return []  # a tree of its own: paths mean something else there
    try:
        named = [path.lstrip("+-") for path in shlex.split(facts.get("ReadWritePaths", ""))]
    except ValueError:
        return []  # not as systemd quotes
    named += [os.path.join(dropin.STATE, one) for one in facts.get("StateDirectory", "").split()]
    written = [os.path.realpath(path) for path in named]
    action = ("Run `sudo diffio-watch service install`: it makes the unit's drop-in anew, and restarts the service."
              if name == UNIT else f"Put it right by `sudo systemctl edit {name}`, and restart it.")

    def kept(path: str) -> str:
        if facts.get("ProtectHome") in {"yes", "tmpfs"} and dropin.in_home(path):
            return f"{path} is in a home, which {name} hides from the service (ProtectHome=)."
        if facts.get("PrivateTmp") == "yes" and dropin.in_temporary(path):
            return f"{path} is in /tmp, of which {name} gives the service another one (PrivateTmp=)."
        if facts.get("ProtectSystem") == "strict" and not dropin.within(path, written):
            return f"{name} does not let the service write {path} (ReadWritePaths=)."
        return ""

    found = []
    for inbox, paths in zip(config.inboxes, dropin.folders(config).values(), strict=True):
        for subject, path in zip(_subjects(inbox), paths, strict=False):  # there may be no archive
            if why := kept(path):
                reads = subject.startswith("inbox") and inbox.originals == "keep" and "ReadWritePaths" in why
                found.append((warning if reads else error)(subject, why, action))
    if why := kept(os.path.realpath(config.state_dir)):
        found.append(error("state_dir", why, action))
    return found


def _subjects(inbox: Inbox) -> list[str]:
    return [f"inbox {inbox.name}", f"outbox of {inbox.name}", f"archive of {inbox.name}"]
