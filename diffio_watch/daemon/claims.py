"""What there is to say of folders that are another journal's, and of the way back to that journal."""

from __future__ import annotations

import os
import pwd
import threading
import time
from pathlib import Path
from typing import Final

from diffio_watch.config import Config, Inbox
from diffio_watch.disk import marker
from diffio_watch.disk.marker_file import MarkerHidden
from diffio_watch.journal import Journal, backup
from diffio_watch.journal.opening import FILE

# of a folder whose marker this user may not read
HIDDEN: Final = ("belongs to a journal that this user can't see: its marker is closed. Whether a daemon runs, and what "
                 "it does, is not known here. Ask as the user who keeps that journal, or as root.")
_PATIENCE: Final = 2.0  # seconds for the markers of all inboxes together: a share may hang


def claim(found: marker.Marker, now: float) -> str:
    """Whose a folder is, and whether anybody works there, as a clause after "it belongs to".

    Args:
        found: its marker.
        now: seconds since the epoch.
    """
    if not found.keeper.pid:
        return f"another journal ({marker.whose(found)})"
    seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.seen_at))
    works = "is at work there, seen on" if works_there(found, now) else "was last seen there on"
    return f"another journal ({marker.whose(found)}), whose daemon {works} {seen}"


def works_there(found: marker.Marker, now: float) -> bool:
    """Whether the daemon that wrote a marker may be at work; `now` in seconds since the epoch."""
    return found.keeper.works(found.seen_at, now)


def way_back(state_dir: Path, *, to: str | None = None, but: str | None = None) -> str:
    """How the newest copy of a lost journal is put back, as a sentence with a blank after it; "" where there is none.

    Args:
        state_dir: where its daily copies are.
        to: the id of the journal that is wanted; None: any.
        but: the id of a journal that is not.
    """
    copy = backup.newest(state_dir, lambda found: found != but if to is None else found == to)
    if copy is None:
        return ""
    return (f"The newest copy of the lost journal is {copy}: stop the daemon, move `{state_dir}/journal.sqlite3*` "
            f"away, copy it to `{state_dir}/journal.sqlite3`, and run `diffio-watch journal rebuild`, which brings it "
            "up to date: so least is paid for again. Without it: ")


def hidden(state_dir: Path) -> str | None:
    """Why this user can't see the journal that the configuration means, as a sentence; None where that is not so."""
    for path in (state_dir, state_dir / FILE):
        try:
            owner = path.stat().st_uid
        except PermissionError:
            return _closed(state_dir, None)
        except OSError:
            return None  # there is none yet
        if not os.access(path, os.R_OK | os.X_OK if path == state_dir else os.R_OK, effective_ids=True):
            return _closed(state_dir, owner)
    return None


def _closed(state_dir: Path, owner: int | None) -> str:
    try:
        name = "another user" if owner is None else pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    ask = "Ask as that user, or as root." if owner is None else f"Ask as that user (`sudo -u {name} …`), or as root."
    return (f"This user can't see the journal in {state_dir}: it is kept by {name}. Whether a daemon runs, and what it "
            f"does, is not known here. {ask}")


def elsewhere(config: Config, journal: Journal | None) -> str | None:
    """Why a journal says nothing of the configured folders, as a sentence: they are another's; None where they are not.

    Args:
        config: the configuration.
        journal: the one in its `state_dir`; None: there is none.
    """
    if journal is not None and any(journal.folders.get("inbox", inbox.name) is not None for inbox in config.inboxes):
        return None
    looked = _look(config)
    found = {name: one for name, one in looked.items() if one is not None}
    closed = next((name for name, one in looked.items() if one is None), None)
    if not found and closed is not None:
        return f"The inbox {config.inbox(closed).path} {HIDDEN}"
    if not found or (journal is not None and any(one.journal == journal.id for one in found.values())):
        return None
    name, one = next(iter(found.items()))
    path = config.inbox(name).path
    if one.keeper.state_dir == str(config.state_dir):  # the very place: so it was lost …
        if journal is None and _there(config.state_dir):
            return None  # … or a first daemon has made both since there was none
        now = "" if journal is None else "; the one that is there now knows nothing of it"
        return (f"The journal that the inbox {path} belongs to ({one.journal}) is gone from {config.state_dir}{now}. "
                f"{way_back(config.state_dir, to=one.journal)}`diffio-watch journal rebuild` makes a new one from the "
                "sidecars.")
    there = f"There is no journal in {config.state_dir}" if journal is None else \
        f"The journal in {config.state_dir} knows nothing of these folders"
    told = (f"{there}: the inbox {path} belongs to {claim(one, time.time())}. What that one does can't be seen from "
            "here.")
    return f"{told} Ask as the user who keeps it, with its configuration."


def _there(state_dir: Path) -> bool:
    try:
        return (state_dir / FILE).stat().st_size > 0
    except OSError:
        return False


def markers(config: Config) -> dict[str, marker.Marker]:
    """The markers of the inboxes by their configured names, as far as they can be had in time."""
    return {name: one for name, one in _look(config).items() if one is not None}


def _look(config: Config) -> dict[str, marker.Marker | None]:
    """The same, with None where there is one that this user may not read."""
    found: dict[str, marker.Marker | None] = {}

    def look(inbox: Inbox) -> None:
        try:
            one = marker.read(str(inbox.path))
        except MarkerHidden:
            found[inbox.name] = None
            return
        except marker.FolderGone:
            return
        if one is not None:
            found[inbox.name] = one

    threads = [threading.Thread(target=look, args=(inbox,), daemon=True) for inbox in config.inboxes]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)
