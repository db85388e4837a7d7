"""What `check` finds out about this machine, the key and the service; folders are `canary`'s."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import threading
import time
import wave
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from diffio_watch.api import (
    Api,
    ApiError,
    Forbidden,
    NotFound,
    NotReady,
    PaymentRequired,
    Rejected,
    Tries,
    Unauthorized,
)
from diffio_watch.cli.accounts import myself
from diffio_watch.cli.draw import size
from diffio_watch.config import KeyMissing, key_source, read_key
from diffio_watch.daemon import claims
from diffio_watch.disk import mounts
from diffio_watch.journal import Journal, JournalError, JournalMissing
from diffio_watch.media.mediainfo import ProbeFailed, probe
from diffio_watch.pipeline.permissions import refused_download

if TYPE_CHECKING:
    from diffio_watch.cli.service import Service
    from diffio_watch.config import Config

# an id that no service has given to anything
_NOBODY: Final = "diffio-watch-check"
_JOURNAL_SPACE: Final = 1 << 28
_TOO_EARLY: Final = 1_735_689_600.0  # 2025: older than this program, so the clock was never set
_WALK: Final = 5.0  # seconds for counting folders
_INOTIFY: Final = Path("/proc/sys/fs/inotify")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    action: str = ""


def ok(subject: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding("ok", subject, message)


def warning(subject: str, message: str, action: str) -> Finding:
    """It works, but less well than it could."""
    return Finding("warning", subject, message, action)


def error(subject: str, message: str, action: str) -> Finding:
    """It will not work."""
    return Finding("error", subject, message, action)


def looked_as(installed: Service | None, *, by_root: bool) -> list[Finding]:
    """As whom this looks: what another may and may not says nothing about the service.

    Args:
        installed: the service of this machine, if there is one to be seen.
        by_root: root asked, who goes on as the service's user.
    """
    if installed is None:
        return [ok("user", f"This looks as {myself()}.")]
    where = f"the service {installed.unit}" if installed.unit else "the daemon that runs"
    if by_root or installed.uid == os.geteuid():
        rights = ", and CAP_LEASE" if installed.lease and installed.uid else ""
        if by_root:
            return [ok("user", f"This looks as {where} does: as {installed.told()}{rights}.")]
        return [ok("user", f"This looks as {myself()}, the user of {where}.")]
    return [warning("user", f"This looks as {myself()}; {where} runs as {installed.told()}, who may have other rights.",
                    "Run `sudo diffio-watch check`, which looks as the service does.")]


def key(config: Config, installed: Service | None, *, offline: bool, others: bool = False) -> list[Finding]:
    """Whether there is a key that others can't read, and whether the service takes it.

    Args:
        config: the configuration.
        installed: the service as which this looks, if it does.
        offline: don't ask.
        others: the service is another user's than who asks.
    """
    source = key_source(config, os.environ)
    lent = installed.key_from if installed is not None and source is None else ""
    try:
        read_key(config, os.environ)
    except KeyMissing as missing:
        if others:
            return [warning("key", "The service's key is not for this account to see.",
                            "Run `sudo diffio-watch check`, which asks with it.")]
        if lent:
            return [error("key", f"systemd is to give it to the service from {lent}, and there is none in it.",
                          f"Put the key there: `sudo install -m 0600 /dev/stdin {lent}`, type it, Enter, Ctrl-D.")]
        return [error("key", missing.message, missing.remedy)]
    found = [ok("key", f"It is read from {source}." if source else
                f"systemd gives it to the service, from {lent}." if lent else "It is read from $DIFFIO_API_KEY.")]
    if source is not None and source.stat().st_mode & 0o007:
        found.append(warning("key", f"Everybody on this machine can read {source}.", f"Run `chmod o= {source}`."))
    return found if offline else [*found, _service(config)]


def _service(config: Config) -> Finding:
    """The free question: a generation that can't exist. That it is unknown means that the key is known."""
    base = config.api.base_url
    api = Api(base, lambda: read_key(config, os.environ), connect_timeout=config.api.connect_timeout,
              read_timeout=min(15.0, config.api.read_timeout), stop=threading.Event(),
              tries=Tries(attempts=2, budget=15.0))
    try:
        with suppress(NotFound, Rejected, NotReady):
            api.progress(_NOBODY)
        words = refused_download(api)
        if words is not None:
            return error("service", f"{base} forbids this key to fetch results: {words.rstrip('. ')}.",
                         "Give the key the permission `downloadGenerations`; until then nothing is bought.")
    except Unauthorized as refused:
        return error("service", f"{base} does not accept the key: {_words(refused)}.", "Put a valid key in place.")
    except Forbidden as refused:
        return error("service", f"{base} forbids this key to look at generations: {_words(refused)}.",
                     "Check in the service's settings that the key is active and may read and write.")
    except PaymentRequired as refused:
        return warning("service", f"{base} has stopped this account's spending: {_words(refused)}.",
                       "Settle it with the service; finished work is still fetched meanwhile.")
    except ApiError as refused:
        return error("service", f"{base} did not answer as it should: {_words(refused)}.",
                     "Check the network, a proxy (HTTPS_PROXY) and `api.base_url`; while it is down, it is waited for.")
    finally:
        api.close()
    return ok("service", f"{base} accepts the key.")


def _words(refused: ApiError) -> str:
    return refused.message.rstrip(". ")


def state(config: Config, installed: Service | None) -> list[Finding]:
    """Whether a journal can be kept where it is to be."""
    folder = config.state_dir
    mount = mounts.mount_of(str(folder))
    if mount.remote:
        return [error("state_dir", f"{folder} is on {mount.kind}, which can't keep a journal.",
                      "Set `state_dir` to a local disk.")]
    closed = claims.hidden(folder)
    if closed is not None:
        return [error("state_dir", closed, "What is said of the folders here is this user's view of them.")]
    there = folder
    while not there.is_dir() and there != there.parent:
        there = there.parent
    if there != folder and installed is not None and installed.makes(folder):
        return [ok("state_dir", f"{folder} is made by systemd at the first start.")]
    if not os.access(there, os.W_OK | os.X_OK):
        if there == folder:
            return [error("state_dir", f"This account, {myself()}, can't see the journal in {folder}.",
                          "Run `sudo diffio-watch check`: it looks as the service's user.")]
        return [error("state_dir", f"{folder} can't be written by this user.",
                      "Run this as the service's user, or make the folder for it.")]
    found = [ok("state_dir", f"{folder} is on {mount.kind or 'a local disk'}.")]
    free = shutil.disk_usage(there).free
    if free < _JOURNAL_SPACE:
        found.append(warning("state_dir", f"{folder} has {size(free)} left.",
                             "Make room: without it nothing new is begun."))
    try:
        with Journal.open(folder, read_only=True) as journal:
            found.append(ok("journal", f"It holds {sum(journal.totals.by_state().values())} jobs."))
    except JournalMissing:
        found.append(ok("journal", "There is none yet; the first start makes it."))
    except JournalError as trouble:
        found.append(error("journal", str(trouble), ""))
    return found


def inotify(config: Config) -> list[Finding]:
    """Whether the kernel's limits leave room for a watch on every folder of the inboxes."""
    try:
        limit = int((_INOTIFY / "max_user_watches").read_text())
        instances = int((_INOTIFY / "max_user_instances").read_text())
    except (OSError, ValueError):
        return []  # another system's events have no such limits
    roots = [str(inbox.path) for inbox in config.inboxes
             if inbox.watch != "polling" and not mounts.mount_of(str(inbox.path)).remote]
    end = time.monotonic() + _WALK
    needed = 0
    for root in roots:
        for _ in os.walk(root):
            needed += 1
            if needed > limit or time.monotonic() > end:
                break
    found = []
    if needed * 1.25 > limit:
        found.append(warning("inotify", f"The inboxes have {needed} folders or more, and the kernel watches {limit}.",
                             f"Run `sysctl fs.inotify.max_user_watches={max(524_288, needed * 4)}`, and keep it in "
                             "/etc/sysctl.d; else such an inbox is polled."))
    if instances < 2 * len(roots) + 8:
        found.append(warning("inotify", f"The kernel gives a user {instances} inotify instances.",
                             "Run `sysctl fs.inotify.max_user_instances=512`, and keep it in /etc/sysctl.d."))
    return found or [ok("inotify", f"{needed} of {limit} watches are needed.")]


def clock(config: Config) -> list[Finding]:
    """Whether the clock can be right: it dates things, and days end by it."""
    now = time.time()
    if now < _TOO_EARLY:
        return [error("clock", "The clock was never set.", "Set it, for instance with systemd-timesyncd or chrony.")]
    try:
        with Journal.open(config.state_dir, read_only=True) as journal:
            newest = journal.jobs.newest(limit=1)
    except (JournalError, PermissionError):
        newest = []  # told already
    if newest and newest[0].created_at > now + 120:
        return [warning("clock", "It is behind the newest job of the journal.",
                        "Set it right: daily limits count by it.")]
    return [ok("clock", time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now)))]


def media() -> list[Finding]:
    """Whether MediaInfo can be had and knows a recording when it sees one."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    try:
        with tempfile.TemporaryFile() as file:
            file.write(sound.getvalue())
            file.flush()
            known = probe(file.fileno())
    except (ProbeFailed, OSError) as failed:
        return [error("MediaInfo", f"It does not work: {failed}.",
                      "Install the `pymediainfo` wheel of this system, or the system's libmediainfo.")]
    if known is None:
        return [error("MediaInfo", "It does not recognise a WAV file.", "Install `pymediainfo` anew.")]
    return [ok("MediaInfo", "It recognises recordings.")]
