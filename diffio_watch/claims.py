"""What there is to say of folders that are another journal's, and of the way back to that journal."""

from __future__ import annotations

import time
from pathlib import Path

from diffio_watch.disk import marker
from diffio_watch.journal import backup


def claim(found: marker.Marker, now: float) -> str:
    """Whose a folder is, and whether anybody works there, as a clause after "it belongs to".

    Args:
        found: its marker.
        now: seconds since the epoch.
    """
    if not found.keeper.pid:
        return f"another journal ({marker.whose(found)})"
    seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.seen_at))
    works = "is at work there, seen" if works_there(found, now) else "was last seen there"
    return f"another journal ({marker.whose(found)}), whose daemon {works} at {seen}"


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
