"""The configuration as frozen models: every key with its type, its default and a sentence about it.

Durations are seconds, sizes bytes, modes permission bits, paths absolute. `None` stands where the file has nothing
and that means something; "auto" stays the word it is. The JSON Schema, the example file and the errors are all
made from what stands here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from diffio_watch.config import paths, units, values
from diffio_watch.config.errors import Wrong, shown
from diffio_watch.job import OutputWish, Settings

DEFAULT_BASE_URL: Final = "https://api.diffio.ai/v1"

AUTO: Final = "auto"
_DURATION: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}
_SIZE: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(KiB|MiB|GiB|TiB)$"}
_NUMBER: Final = {"type": "number", "minimum": 0}


def _string(check: Callable[[str], str]) -> PlainValidator:
    """Takes a string and nothing that merely looks like one, then applies a check of its own."""

    def run(value: object) -> str:
        if isinstance(value, str):
            return check(value)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        raise Wrong(f"{shown(value)} is not a string.", f'Put it in quotes: `"{value}"`.' if plain else "Write a word.")

    return PlainValidator(run)


def _or_auto(value: object) -> float | Literal["auto"]:
    if value == AUTO:
        return AUTO
    try:
        return _positive(value)
    except Wrong as wrong:
        raise Wrong(wrong.message, f"{wrong.remedy.rstrip('.')}, or `auto`.") from None


def _positive(value: object) -> float:
    seconds = units.duration(value)
    if seconds <= 0:
        raise Wrong("It can't be 0.", "Write for instance `2s`.")
    return seconds


def _file_mode(value: object) -> int:
    return _mode(value, 0o600, "read and write its own files")


def _dir_mode(value: object) -> int:
    return _mode(value, 0o700, "work in its own folders")


def _mode(value: object, needed: int, purpose: str) -> int:
    bits = units.mode(value)
    if bits & needed != needed:
        raise Wrong(f"With {shown(value)} the program could not {purpose}.", f'Write `"{bits | needed:04o}"`.')
    return bits


def _path(value: object, info: ValidationInfo) -> Path:
    context = info.context or {}
    return paths.expand(value, context.get("env", os.environ))


def _secret_file(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, str) and value.startswith(("/", "~", "$")):
        return _path(value, info)
    # not repeated: it is most likely the secret itself
    raise Wrong("This is not the absolute path of a file.",
                "Put the secret into a file of its own that only the service's user can read, and write its path here.")


_MODE_SCHEMA: Final = {"type": ["string", "integer"], "pattern": "^(0o)?[0-7]{3,5}$"}

Duration = Annotated[float, PlainValidator(_positive), WithJsonSchema({"anyOf": [_DURATION, _NUMBER]})]
DurationOrAuto = Annotated[
    float | Literal["auto"], PlainValidator(_or_auto), WithJsonSchema({"anyOf": [{"const": AUTO}, _DURATION, _NUMBER]})
]
Size = Annotated[int, PlainValidator(units.size), WithJsonSchema({"anyOf": [_SIZE, {"type": "integer", "minimum": 0}]})]
FileMode = Annotated[int, PlainValidator(_file_mode), WithJsonSchema(_MODE_SCHEMA)]
DirMode = Annotated[int, PlainValidator(_dir_mode), WithJsonSchema(_MODE_SCHEMA)]
AbsPath = Annotated[Path, PlainValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
SecretFile = Annotated[Path, PlainValidator(_secret_file), WithJsonSchema({"type": "string", "minLength": 1})]
BaseUrl = Annotated[str, _string(values.base_url), WithJsonSchema({"type": ["string", "null"]})]
Name = Annotated[str, _string(values.name), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})]
Model = Annotated[str, _string(values.model), WithJsonSchema({"type": "string", "minLength": 1})]
OutputName = Annotated[str, _string(values.output_name), WithJsonSchema({"type": "string", "pattern": r"\{stem\}"})]
Include = Annotated[str, _string(values.include), WithJsonSchema({"type": "string", "minLength": 1})]
Glob = Annotated[str, _string(values.glob), WithJsonSchema({"type": "string", "minLength": 1})]
Listen = Annotated[str, _string(values.listen), WithJsonSchema({"type": "string", "pattern": "^unix:/|:[0-9]+$"})]
Host = Annotated[str, _string(values.host), WithJsonSchema({"type": "string", "minLength": 1})]


def _given(value: object) -> object:
    """An empty section (`limits:` and nothing under it) is a section without keys."""
    return {} if value is None else value


def key(default: Any, about: str, *, read: Callable[[Any], Any] | None = None, **more: Any) -> Any:
    """A key: its default as it is written in the file (`read` makes the value of it), and what it is for."""
    if isinstance(default, list | dict):
        read = tuple if isinstance(default, list) else dict
    make = read or (lambda written: written)
    more["json_schema_extra"] = {"default": default}
    return Field(default_factory=lambda: make(default), description=about, **more)


def section(model: type[BaseModel], about: str) -> Any:
    """A group of keys, each with a default of its own."""
    return Field(default_factory=model, description=about)


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
    sampling: Annotated[dict[str, Any], BeforeValidator(_given)] = key({}, "Passed through to the generation.")
    params: Annotated[dict[str, Any], BeforeValidator(_given)] = key({}, "Passed through to the generation.")
    project_params: Annotated[dict[str, Any], BeforeValidator(_given)] = key({}, "Stored with the project.")
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

    first: Duration = key("1s", "The first pause; it stretches from here.", read=units.duration)
    max: Duration = key("30s", "The longest pause.", read=units.duration, validate_default=True)

    @field_validator("max")
    @classmethod
    def _order(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("first", 0):
            raise Wrong("`max` is shorter than `first`.", "Write a longer one, or a shorter `first`.")
        return value


class Generation(_Base):
    """Waiting for results."""

    poll: Annotated[Poll, BeforeValidator(_given)] = section(Poll, "The pauses between two questions.")
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

    api: Annotated[Api, BeforeValidator(_given)] = section(Api, "The service and the way to it.")
    state_dir: AbsPath = Field(
        default_factory=lambda: paths.default_state_dir(os.environ),
        description="Of the journal; a local disk. Else $STATE_DIRECTORY, /var/lib/diffio-watch (root) or "
        "~/.local/state/diffio-watch.", json_schema_extra={"default": None, "type": ["string", "null"]})
    defaults: Annotated[Defaults, BeforeValidator(_given)] = section(Defaults, "What inboxes share.")
    inboxes: tuple[Inbox, ...] = Field(strict=False, min_length=1, description="One or more.")
    limits: Annotated[Limits, BeforeValidator(_given)] = section(Limits, "How much at once, and at all.")
    generation: Annotated[Generation, BeforeValidator(_given)] = section(Generation, "Waiting for results.")
    web: Annotated[Web, BeforeValidator(_given)] = section(Web, "The status page.")
    webhook: Annotated[Webhook, BeforeValidator(_given)] = section(Webhook, "The service's own calls.")
    notify: Annotated[Notify, BeforeValidator(_given)] = section(Notify, "Whom to tell.")
    log: Annotated[Log, BeforeValidator(_given)] = section(Log, "What is logged, and how.")

    def inbox(self, name: str) -> Inbox:
        """The inbox of this name.

        Raises:
            KeyError: there is none.
        """
        for inbox in self.inboxes:
            if inbox.name == name:
                return inbox
        raise KeyError(name)
