"""The configuration as frozen dataclasses: every key with its type, its default and a sentence about it.

Durations are seconds, sizes bytes, modes permission bits, paths absolute. `None` stands where the file has nothing
and that means something; "auto" stays the word it is. The JSON Schema, the example file and the errors are all
made from what stands here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from diffio_watch.config import paths, values
from diffio_watch.config.errors import Wrong
from diffio_watch.config.group import Group, key, needed, or_none, section, several, within
from diffio_watch.config.kinds import (
    AUTO,
    BASE_URL,
    BOOL,
    DIR_MODE,
    DURATION,
    DURATION_OR_AUTO,
    FILE_MODE,
    GLOB,
    HEARTBEAT,
    HOST,
    INCLUDE,
    LISTEN,
    MAPPING,
    MODEL,
    NAME,
    NOTICE_URL,
    OUTPUT_NAME,
    PATH,
    SECRET_FILE,
    SIZE,
    STATE_DIR,
    integer,
    number,
    word,
)
from diffio_watch.job import OutputWish, Settings

NoticeEvent = Literal["failed", "halted", "resumed", "held", "delivered"]
DEFAULT_BASE_URL: Final = "https://api.diffio.ai/v1"
_MOST: Final = 1_000_000_000  # files or minutes


@dataclass(frozen=True, kw_only=True)
class Api(Group):
    """The service and the way to it."""

    base_url: str = key(
        BASE_URL, None, f"Else $DIFFIO_API_BASE_URL, else {DEFAULT_BASE_URL}. Plain http only to loopback.",
        value=lambda: DEFAULT_BASE_URL)
    key_file: Path | None = key(
        or_none(SECRET_FILE), None, "Else the systemd credential diffio-api-key, else $DIFFIO_API_KEY.")
    connect_timeout: float = key(DURATION, "10s", "For making a connection.")
    read_timeout: float = key(DURATION, "60s", "Of silence, not of the whole transfer.")


@dataclass(frozen=True, kw_only=True)
class Defaults(Group):
    """What inboxes share: any key of an inbox but name, path, outbox and archive."""

    model: str = key(MODEL, "diffio-4.6-flash", "The model that restores; any id the service knows.")
    sampling: dict[str, Any] = key(MAPPING, {}, "Passed through to the generation.")
    params: dict[str, Any] = key(MAPPING, {}, "Passed through to the generation.")
    project_params: dict[str, Any] = key(MAPPING, {}, "Stored with the project.")
    outputs: tuple[OutputWish, ...] = key(
        several(word(AUTO, "audio", "video", "transcript"), 1), [AUTO],
        "auto (the service's choice), or any of audio, video, transcript.")
    recursive: bool = key(BOOL, True, "Whether folders below are watched too.")
    include: tuple[str, ...] = key(
        several(INCLUDE, 1), ["audio", "video"], "Built-in sets of extensions (audio, video) and globs.")
    exclude: tuple[str, ...] = key(several(GLOB), [], "Globs, on top of the built-in junk list.")
    watch: Literal["auto", "events", "polling"] = key(word(AUTO, "events", "polling"), AUTO, "How changes are noticed.")
    settle: float | Literal["auto"] = key(
        DURATION_OR_AUTO, AUTO, "Quiet time before a file is finished: 2s with events, 30s where polling.")
    rescan: float | Literal["auto"] = key(
        DURATION_OR_AUTO, AUTO, "The safety net: 5m with events, 10s where polling.")
    originals: Literal["keep", "archive", "delete"] = key(
        word("keep", "archive", "delete"), "keep", "What happens to the original after delivery.")
    output_name: str = key(OUTPUT_NAME, "{stem}.restored{ext}", "Of audio and video; also {model}, {inbox}, {date}.")
    duplicates: Literal["skip", "process"] = key(
        word("skip", "process"), "skip", "The same content again in this inbox.")
    follow_symlinks: bool = key(BOOL, False, "Whether links that stay inside the inbox are followed.")
    file_mode: int = key(FILE_MODE, "0664", "Of files written to the outbox, whatever the umask; octal.")
    dir_mode: int = key(DIR_MODE, "2775", "Of folders made in the outbox, whatever the umask; octal.")
    status_file: bool = key(BOOL, False, "Whether outbox/_status.html tells those who see the folder only.")
    priority: int = key(integer(-1000, 1000), 0, "Higher goes first; inboxes of one priority take turns.")

    @classmethod
    def across(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:
        """What `Group.across` says: an output stands once, and `auto` alone."""
        wishes = found.get("outputs", ())
        if len(set(wishes)) < len(wishes):
            yield "outputs", Wrong("The same output stands here twice.",
                                   f"Write `[{', '.join(dict.fromkeys(wishes))}]`.")
        elif AUTO in wishes and len(wishes) > 1:
            yield "outputs", Wrong("`auto` is the service's choice, and others stand beside it.",
                                   f"Write `[auto]`, or `[{', '.join(wish for wish in wishes if wish != AUTO)}]`.")


@dataclass(frozen=True, kw_only=True)
class Inbox(Defaults):
    """A watched folder and where its results go."""

    name: str = needed(NAME, "Unique; letters a to z, digits, - and _.")
    path: Path = needed(PATH, "The folder that is watched.")
    outbox: Path = needed(PATH, "The folder where results appear.")
    archive: Path | None = key(or_none(PATH), None, "Where originals go; needed for `originals: archive`.")

    @classmethod
    def across(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:
        """What `Group.across` says: who archives has an archive."""
        yield from super().across(found)
        if found.get("originals") == "archive" and found.get("archive", "") is None:
            yield "archive", Wrong("`originals: archive` needs a folder to move them to.",
                                   "Write `archive: /some/folder` into this inbox, or `originals: keep`.")

    def settings(self) -> Settings:
        """What a job of this inbox is journalled with."""
        return Settings(
            model=self.model, sampling=self.sampling, params=self.params, project_params=self.project_params,
            outputs=self.outputs, originals=self.originals, output_name=self.output_name,
            duplicates=self.duplicates, file_mode=self.file_mode, dir_mode=self.dir_mode,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limits(Group):
    """How much at once, and how much at all."""

    uploads: int = key(integer(1, 64), 4, "Files uploaded at the same time.")
    downloads: int = key(integer(1, 64), 4, "Files downloaded at the same time.")
    in_flight: int = key(integer(1, 100_000), 128, "Generations queued or running at the service.")
    requests_per_second: float | None = key(
        or_none(number(0, 10_000, above=True)), None, "Empty: no cap of our own.")
    daily_files: int | None = key(or_none(integer(0, _MOST)), None,
                                  "Over it, files are held until approved or the day is over. Empty: no limit.")
    daily_minutes: float | None = key(or_none(number(0, _MOST)), None,
                                      "Of media, at least one a generation. Empty: no limit.")
    approve_over_files: int | None = key(
        or_none(integer(0, _MOST)), 500,
        "More new files than this in one inbox within 10 min, or in its first scan, are held. null: never.")
    min_free: int = key(SIZE, "1GiB", "Outbox space below which no new work starts.")


@dataclass(frozen=True, kw_only=True)
class Poll(Group):
    """How often a generation is asked after."""

    first: float = key(DURATION, "1s", "The shortest pause, and the first one.")
    max: float = key(DURATION, "30s", "The longest pause.")

    @classmethod
    def across(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:
        """What `Group.across` says: the longest is not the shortest."""
        if found.get("max", math.inf) < found.get("first", 0):
            yield "max", Wrong("`max` is shorter than `first`.", "Write a longer one, or a shorter `first`.")


@dataclass(frozen=True, kw_only=True)
class Generation(Group):
    """Waiting for results."""

    poll: Poll = section(Poll, "The pauses between two questions.")
    overdue: float = key(DURATION, "6h", "After this, warn and go on polling, slowly.")
    give_up: float = key(DURATION, "7d", "After this, the job fails as gave_up.")

    @classmethod
    def across(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:
        """What `Group.across` says: nothing is given up before it is overdue."""
        if found.get("give_up", math.inf) < found.get("overdue", 0):
            yield "give_up", Wrong("`give_up` is shorter than `overdue`.",
                                   "Write a longer one, or a shorter `overdue`.")


@dataclass(frozen=True, kw_only=True)
class Web(Group):
    """The status page. Off unless `listen` is set."""

    listen: str | None = key(or_none(LISTEN), None, "127.0.0.1:8480, or unix:/run/diffio-watch/web.sock.")
    hosts: tuple[str, ...] = key(several(HOST), [], "Further Host names it answers to.")
    token_file: Path | None = key(or_none(SECRET_FILE), None,
                                  "Needed for every change; for reading too unless it is truly local.")


@dataclass(frozen=True, kw_only=True)
class Webhook(Group):
    """The service's own calls, received at /webhooks/diffio. Off unless there is a secret."""

    listen: str | None = key(
        or_none(LISTEN), None,
        "Else with `web`. An address of its own, so that a tunnel from outside reaches this one path only.")
    secret_file: Path | None = key(
        or_none(SECRET_FILE), None,
        "Else $DIFFIO_WEBHOOK_SECRET. While it is changed: the old and the new, one a line.")


@dataclass(frozen=True, kw_only=True)
class Notify(Group):
    """Whom to tell."""

    urls: tuple[str, ...] = key(several(NOTICE_URL), [], "Apprise URLs.", hidden=True)  # passwords stand in them
    urls_file: Path | None = key(or_none(SECRET_FILE), None, "More of them, one a line.")
    events: tuple[NoticeEvent, ...] = key(
        several(word("failed", "halted", "resumed", "held", "delivered")), ["failed", "halted", "resumed", "held"],
        "What is told: any of failed, halted, resumed, held, delivered.")
    heartbeat: str | None = key(
        or_none(HEARTBEAT), None, "Asked every 5 min while all is well. Plain http only to loopback.", hidden=True)


@dataclass(frozen=True, kw_only=True)
class Log(Group):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = key(
        word("debug", "info", "warning", "error"), "info", "The least that is logged.")
    format: Literal["auto", "console", "json"] = key(
        word(AUTO, "console", "json"), AUTO, "auto: console for people, json otherwise.")


@dataclass(frozen=True, kw_only=True)
class Config(Group):
    """The whole file."""

    api: Api = section(Api, "The service and the way to it.")
    state_dir: Path = key(
        STATE_DIR, None,
        "Of the journal; a local disk. Else $STATE_DIRECTORY, /var/lib/diffio-watch (root) or "
        "~/.local/state/diffio-watch.", value=lambda: paths.default_state_dir(os.environ))
    defaults: Defaults = section(Defaults, "What inboxes share.")
    inboxes: tuple[Inbox, ...] = needed(several(within(Inbox), 1), "One or more.")
    limits: Limits = section(Limits, "How much at once, and at all.")
    generation: Generation = section(Generation, "Waiting for results.")
    web: Web = section(Web, "The status page.")
    webhook: Webhook = section(Webhook, "The service's own calls.")
    notify: Notify = section(Notify, "Whom to tell.")
    log: Log = section(Log, "What is logged, and how.")

    @classmethod
    def across(cls, found: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:
        """What `Group.across` says: nothing listens where something else does."""
        web, webhook = found.get("web"), found.get("webhook")
        if web and webhook and web.listen and webhook.listen and values.same_place(web.listen, webhook.listen):
            yield "webhook", Wrong("`webhook.listen` is the address of `web`.",
                                   "Write another one, or none: then webhooks are received there too.")

    def inbox(self, name: str) -> Inbox:
        """The inbox of this name.

        Raises:
            KeyError: there is none.
        """
        for inbox in self.inboxes:
            if inbox.name == name:
                return inbox
        raise KeyError(name)
