"""The configuration as frozen models: every key with its type, its default and a sentence about it.

Durations are seconds, sizes bytes, modes permission bits, paths absolute. `None` stands where the file has nothing
and that means something; "auto" stays the word it is. The JSON Schema, the example file and the errors are all
made from what stands here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from diffio_watch.config import paths, units
from diffio_watch.config.errors import Wrong
from diffio_watch.config.fields import (
    AUTO,
    AbsPath,
    BaseUrl,
    DirMode,
    Duration,
    DurationOrAuto,
    FileMode,
    Glob,
    Host,
    Include,
    Listen,
    Model,
    Name,
    OutputName,
    SecretFile,
    Size,
    given,
    key,
    section,
)
from diffio_watch.job import OutputWish, Settings

DEFAULT_BASE_URL: Final = "https://api.diffio.ai/v1"


class _Base(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Api(_Base):
    """The service and the way to it."""

    base_url: BaseUrl = key(None, f"Else $DIFFIO_API_BASE_URL, else {DEFAULT_BASE_URL}. Plain http only to loopback.",
                            read=lambda _: DEFAULT_BASE_URL)
    key_file: SecretFile | None = key(None, "Else the systemd credential diffio-api-key, else $DIFFIO_API_KEY.")
    connect_timeout: Duration = key("10s", "For making a connection.", read=units.duration)
    read_timeout: Duration = key("60s", "Of silence, not of the whole transfer.", read=units.duration)


class Defaults(_Base):
    """What inboxes share: any key of an inbox but name, path, outbox and archive."""

    model: Model = key("diffio-4.6-flash", "The model that restores; any id the service knows.")
    sampling: Annotated[dict[str, Any], BeforeValidator(given)] = key({}, "Passed through to the generation.")
    params: Annotated[dict[str, Any], BeforeValidator(given)] = key({}, "Passed through to the generation.")
    project_params: Annotated[dict[str, Any], BeforeValidator(given)] = key({}, "Stored with the project.")
    outputs: tuple[OutputWish, ...] = key(["auto"], "auto (the service's choice), or any of audio, video, transcript.",
                                          strict=False, min_length=1)
    recursive: bool = key(True, "Whether folders below are watched too.")
    include: tuple[Include, ...] = key(["audio", "video"], "Built-in sets of extensions (audio, video) and globs.",
                                       strict=False, min_length=1)
    exclude: tuple[Glob, ...] = key([], "Globs, on top of the built-in junk list.", strict=False)
    watch: Literal["auto", "events", "polling"] = key("auto", "How changes are noticed.")
    settle: DurationOrAuto = key("auto", "Quiet time before a file is finished: 2s with events, 30s where polling.")
    rescan: DurationOrAuto = key("auto", "The safety net: 5m with events, 10s where polling.")
    originals: Literal["keep", "archive", "delete"] = key("keep", "What happens to the original after delivery.")
    output_name: OutputName = key("{stem}.restored{ext}", "Of audio and video; also {model}, {inbox}, {date}.")
    duplicates: Literal["skip", "process"] = key("skip", "The same content again in this inbox.")
    follow_symlinks: bool = key(False, "Whether links that stay inside the inbox are followed.")
    file_mode: FileMode = key("0664", "Of files written to the outbox, whatever the umask; octal.", read=units.mode)
    dir_mode: DirMode = key("2775", "Of folders made in the outbox, whatever the umask; octal.", read=units.mode)
    priority: int = key(0, "Higher goes first; inboxes of one priority take turns.", ge=-1000, le=1000)

    @field_validator("outputs")
    @classmethod
    def _outputs(cls, value: tuple[OutputWish, ...]) -> tuple[OutputWish, ...]:
        if len(set(value)) < len(value):
            raise Wrong("The same output stands here twice.", f"Write `[{', '.join(dict.fromkeys(value))}]`.")
        if AUTO in value and len(value) > 1:
            raise Wrong("`auto` is the service's choice, and others stand beside it.",
                        f"Write `[auto]`, or `[{', '.join(wish for wish in value if wish != AUTO)}]`.")
        return value


class Inbox(Defaults):
    """A watched folder and where its results go."""

    name: Name = Field(description="Unique; letters a to z, digits, - and _.")
    path: AbsPath = Field(description="The folder that is watched.")
    outbox: AbsPath = Field(description="The folder where results appear.")
    archive: AbsPath | None = key(None, "Where originals go; needed for `originals: archive`.", validate_default=True)

    @field_validator("archive")
    @classmethod
    def _archive(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("originals") == "archive":
            raise Wrong("`originals: archive` needs a folder to move them to.",
                        "Write `archive: /some/folder` into this inbox, or `originals: keep`.")
        return value

    def settings(self) -> Settings:
        """What a job of this inbox is journalled with."""
        return Settings(
            model=self.model, sampling=self.sampling, params=self.params, project_params=self.project_params,
            outputs=self.outputs, originals=self.originals, output_name=self.output_name,
            duplicates=self.duplicates, file_mode=self.file_mode, dir_mode=self.dir_mode,
        )  # fmt: skip


class Limits(_Base):
    """How much at once, and how much at all."""

    uploads: int = key(4, "Files uploaded at the same time.", ge=1, le=64)
    downloads: int = key(4, "Files downloaded at the same time.", ge=1, le=64)
    in_flight: int = key(128, "Generations queued or running at the service.", ge=1, le=100_000)
    requests_per_second: float | None = key(None, "Empty: no cap of our own.", gt=0, le=10_000)
    daily_files: int | None = key(None, "Over it, files are held until approved or the day is over. Empty: no limit.",
                                  ge=0, le=1_000_000_000)
    daily_minutes: float | None = key(None, "Of media, at least one a generation. Empty: no limit.",
                                      ge=0, le=1_000_000_000)
    approve_over_files: int | None = key(
        500, "More new files than this in one inbox within 10 min, or in its first scan, are held. null: never.",
        ge=0, le=1_000_000_000)
    min_free: Size = key("1GiB", "Outbox space below which no new work starts.", read=units.size)


class Poll(_Base):
    """How often a generation is asked after."""

    first: Duration = key("1s", "The shortest pause, and the first one.", read=units.duration)
    max: Duration = key("30s", "The longest pause.", read=units.duration, validate_default=True)

    @field_validator("max")
    @classmethod
    def _order(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("first", 0):
            raise Wrong("`max` is shorter than `first`.", "Write a longer one, or a shorter `first`.")
        return value


class Generation(_Base):
    """Waiting for results."""

    poll: Annotated[Poll, BeforeValidator(given)] = section(Poll, "The pauses between two questions.")
    overdue: Duration = key("6h", "After this, warn and go on polling, slowly.", read=units.duration)
    give_up: Duration = key("7d", "After this, the job fails as gave_up.", read=units.duration, validate_default=True)

    @field_validator("give_up")
    @classmethod
    def _order(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("overdue", 0):
            raise Wrong("`give_up` is shorter than `overdue`.", "Write a longer one, or a shorter `overdue`.")
        return value


class Web(_Base):
    """The status page. Off unless `listen` is set."""

    listen: Listen | None = key(None, "127.0.0.1:8480, or unix:/run/diffio-watch/web.sock.")
    hosts: tuple[Host, ...] = key([], "Further Host names it answers to.", strict=False)
    token_file: SecretFile | None = key(None, "Needed for every change; for reading too unless it is truly local.")


class Webhook(_Base):
    """The service's own calls, received at /webhooks/diffio of `web`."""

    secret_file: SecretFile | None = key(None, "Else $DIFFIO_WEBHOOK_SECRET.")


class Notify(_Base):
    """Whom to tell."""

    urls: tuple[str, ...] = key([], "Apprise URLs.", strict=False, repr=False)  # passwords stand in them
    events: tuple[Literal["failed", "halted", "resumed", "held"], ...] = key(
        ["failed", "halted", "resumed", "held"], "What is told.", strict=False)


class Log(_Base):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = key("info", "The least that is logged.")
    format: Literal["auto", "console", "json"] = key("auto", "auto: console for people, json otherwise.")


class Config(_Base):
    """The whole file."""

    api: Annotated[Api, BeforeValidator(given)] = section(Api, "The service and the way to it.")
    state_dir: AbsPath = Field(
        default_factory=lambda: paths.default_state_dir(os.environ),
        description="Of the journal; a local disk. Else $STATE_DIRECTORY, /var/lib/diffio-watch (root) or "
        "~/.local/state/diffio-watch.", json_schema_extra={"default": None, "type": ["string", "null"]})
    defaults: Annotated[Defaults, BeforeValidator(given)] = section(Defaults, "What inboxes share.")
    inboxes: tuple[Inbox, ...] = Field(strict=False, min_length=1, description="One or more.")
    limits: Annotated[Limits, BeforeValidator(given)] = section(Limits, "How much at once, and at all.")
    generation: Annotated[Generation, BeforeValidator(given)] = section(Generation, "Waiting for results.")
    web: Annotated[Web, BeforeValidator(given)] = section(Web, "The status page.")
    webhook: Annotated[Webhook, BeforeValidator(given)] = section(Webhook, "The service's own calls.")
    notify: Annotated[Notify, BeforeValidator(given)] = section(Notify, "Whom to tell.")
    log: Annotated[Log, BeforeValidator(given)] = section(Log, "What is logged, and how.")

    def inbox(self, name: str) -> Inbox:
        """The inbox of this name.

        Raises:
            KeyError: there is none.
        """
        for inbox in self.inboxes:
            if inbox.name == name:
                return inbox
        raise KeyError(name)
