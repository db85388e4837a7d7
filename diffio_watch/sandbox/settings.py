"""What a sandbox can be told to be: the service's two forms, its speed, the state of the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

UploadForm = Literal["put", "multipart"]
AccountState = Literal["ok", "auth", "inactive", "billing", "spend_limit"]
MIB = 1024 * 1024


@dataclass(slots=True)
class Settings:
    """Every field may change while the sandbox runs; sizes are bytes, times seconds, all JSON."""

    upload: UploadForm = "multipart"  # how create_project answers
    models: Literal["current", "documented"] = "current"  # current: 4.6 only, older ones answer 410
    seconds: float = 3.0  # from a generation's start to its end; 0: complete at the first poll
    part_bytes: int = 32 * MIB
    start_part_bytes: int | None = None  # what `start` answers, where it differs from the session's
    max_bytes: int = 2048 * MIB
    upload_lifetime: float = 6 * 3600.0  # of upload tokens and signed PUTs
    link_lifetime: float = 6 * 3600.0  # of signed downloads
    complete_again: bool = True  # a second multipart `complete` is answered like the first, else 404

    keys: Sequence[str] = ()  # the valid keys; empty: every key is, and is an account of its own
    account: AccountState = "ok"
    key_states: Mapping[str, AccountState] = field(default_factory=dict)  # of single keys, before `account`
    permissions: Sequence[str] = ("read", "write", "downloadGenerations")
    agent: bool = True  # False: a scoped key, which may not read settings and usage
    paid_plan: bool = True  # False: diffio-4.6-pro answers 403
    period_end: str = "2099-01-01T00:00:00Z"  # of the spend limit
    down: Sequence[str] = ()  # origins that answer 503: api, edge, storage
    more_models: Sequence[str] = ()  # ids beyond the table that are accepted
    retired: Sequence[str] = ()  # ids that answer 410 whatever `models` says

    failing: Mapping[str, str] = field(default_factory=dict)  # glob of file names: error of their generations
    lag: int = 0  # so many link calls of each output of a complete generation answer `lag_status`
    lag_status: Literal[404, 409] = 409
    transcript: Literal["available", "pending", "unavailable"] = "available"
    restores: bool = False  # outputs are the upload and some bytes more, as restored ones differ from what was sent
    filters: bool = False  # the sound comes back through a plain filter, as WAV, where PyAV is there
    mime_types: Mapping[str, str] = field(default_factory=dict)  # by download type, instead of the true ones

    webhook_url: str | None = None  # where deliveries go; loopback only
    webhook_secret: str = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLWhvb2tz"  # noqa: S105 - a sandbox has no secrets

    def change(self, **values: Any) -> None:
        """Set some fields at once.

        Raises:
            ValueError: A name is none of the settings.
        """
        known = {each.name for each in fields(self)}
        if unknown := values.keys() - known:
            raise ValueError(f"no such sandbox setting: {', '.join(sorted(unknown))}")
        for name, value in values.items():
            setattr(self, name, value)
