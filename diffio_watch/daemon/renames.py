"""An inbox is the one that its folder's marker names: called otherwise in the configuration, it keeps its jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from diffio_watch.config import Config
from diffio_watch.daemon import claims
from diffio_watch.disk import marker
from diffio_watch.disk.marker import FolderMemory
from diffio_watch.journal import Journal


def follow(config: Config, journal: Journal, markers: Mapping[str, marker.Marker] | None = None) -> dict[str, str]:
    """Give the journal's inboxes the names that the configuration has for them by now.

    Their folders' markers get the new names when they are checked next. Broken off anywhere, it is done or not.

    Args:
        config: the configuration.
        journal: opened for writing, while no daemon works with it.
        markers: of the inboxes, by their configured names, where they are read already.

    Returns:
        The new name by each old one.
    """
    found = planned(config, journal, markers)
    if found:
        journal.folders.rename_inboxes(found)
    return found


def planned(config: Config, journal: Journal, markers: Mapping[str, marker.Marker] | None = None) -> dict[str, str]:
    """The new name of each inbox that is called otherwise in the configuration, by its old one; see `follow`."""
    known = {memory.name: memory for memory in journal.folders.used_as("inbox")}
    marked = {name: one for name, one in (claims.markers(config) if markers is None else markers).items()
              if one.journal == journal.id and one.role == "inbox" and _is_true(one, known, journal)}
    paths = {inbox.name: str(inbox.path) for inbox in config.inboxes}
    return renames(paths, {name: one.name for name, one in marked.items()}, list(known.values()),
                   used={name for name in {*known, *paths} if journal.jobs.any_in(name)})


def _is_true(found: marker.Marker, known: Mapping[str, FolderMemory], journal: Journal) -> bool:
    """Whether this journal wrote that name: who may write into a share must not take another inbox's jobs away."""
    unsealed = not found.seal and found.name in known and not known[found.name].sealed  # by an earlier version
    return unsealed or found.genuine(journal.secret)


def renames(paths: Mapping[str, str], marked: Mapping[str, str], known: Sequence[FolderMemory],
            used: set[str]) -> dict[str, str]:
    """Which inboxes have another name now. Pure.

    Args:
        paths: the folder of each configured inbox, by its name.
        marked: the name that the marker in an inbox's folder says, by its configured name; only this journal's.
        known: the inboxes' folders that the journal remembers.
        used: names under which the journal has jobs.

    Returns:
        The new name by each old one. Whatever is not clear is left out: such an inbox waits, and says why.
    """
    memory = {one.name: one for one in known}
    former: dict[str, str] = {}  # the old name, by the new one
    for name, path in paths.items():
        if name in marked:
            if marked[name] not in {name, *(memory[name].former if name in memory else ())}:
                former[name] = marked[name]
        elif name not in memory:  # without a marker (not mounted, or read-only) the place has to say it
            there = [one.name for one in known if one.path == path and one.name not in paths]
            if len(there) == 1:
                former[name] = there[0]
    claimed = Counter(former.values())
    former = {new: old for new, old in former.items() if claimed[old] == 1 and not _stays(old, paths, marked, memory)}
    while True:  # a name that is taken frees none
        blocked = {new for new in former if (new in memory or new in used) and new not in former.values()}
        if not blocked:
            return {old: new for new, old in former.items()}
        former = {new: old for new, old in former.items() if new not in blocked}


def _stays(old: str, paths: Mapping[str, str], marked: Mapping[str, str], memory: Mapping[str, FolderMemory]) -> bool:
    """Whether the inbox of that name is where it was, so that what carries its marker elsewhere is a copy."""
    if old not in paths:
        return False
    if old in marked:
        return marked[old] == old
    return old not in memory or memory[old].path in {"", paths[old]}
