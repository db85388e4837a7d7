"""What the steps work with: put together once by the daemon, handed to every step."""

from __future__ import annotations

import copy
import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from diffio_watch.api.client import Api
from diffio_watch.api.shapes import DownloadLink, SignedPut
from diffio_watch.api.storage import Storage
from diffio_watch.clock import Clock
from diffio_watch.config import Config, Inbox
from diffio_watch.job import DownloadType, Job, Part, State
from diffio_watch.journal import Journal
from diffio_watch.outbox import Outbox
from diffio_watch.pipeline.announced import Announced
from diffio_watch.pipeline.file_calls import FileCalls
from diffio_watch.pipeline.permissions import Permits
from diffio_watch.pipeline.polls import Earlier
from diffio_watch.pipeline.sessions import Sessions
from diffio_watch.pipeline.upload_rate import Lane

_NOTED_EVERY = 1.0


def _uncounted() -> int:
    return 0


@dataclass
class Tools:
    """The daemon's parts as steps need them.

    Attributes:
        key: reads the API key of this service anew.
        outboxes: by inbox name.
        stop: set when the program ends.
        sick: set while the journal can't be written: nothing may be sent.
        put_targets: signed upload URLs by job id; they live in memory only.
        links: signed download URLs by job id and type; likewise.
        files: the file calls under way.
        partly: which version of an object the bytes of a begun download are of, by job id and type.
        sent: the part of files that have one alone, and the upload it belongs to, by job id.
        seen_empty: when a job's project was first seen without its generation, in seconds since the epoch by job id.
            What an earlier process saw counts no more: nobody knows how long ago that was, for clocks are set.
        shown: outputs that this process gave their final names, by job id and type.
        lane: who sends, and who has to go alone.
        permits: what was found out about keys.
        earlier: how long earlier generations took.
        announced: which generations ended, as the service says by webhook.
        count: raises the count that folders' markers get from here on, and tells it.
        started: when this process began to use them, in seconds since the epoch.
    """

    config: Config
    journal: Journal
    api: Api
    storage: Storage
    key: Callable[[], str]
    outboxes: dict[str, Outbox]
    sessions: Sessions
    clock: Clock
    stop: threading.Event
    sick: threading.Event
    version: str
    log: FilteringBoundLogger
    put_targets: dict[str, SignedPut] = field(default_factory=dict)
    links: dict[tuple[str, DownloadType], DownloadLink] = field(default_factory=dict)
    partly: dict[tuple[str, DownloadType], str] = field(default_factory=dict)
    sent: dict[str, tuple[str, Part]] = field(default_factory=dict)
    seen_empty: dict[str, float] = field(default_factory=dict)
    shown: set[tuple[str, DownloadType]] = field(default_factory=set)
    files: FileCalls = field(default_factory=FileCalls)
    lane: Lane = field(init=False)
    permits: Permits = field(init=False)
    earlier: Earlier = field(init=False)
    announced: Announced = field(init=False)
    count: Callable[[], int] = _uncounted
    started: float = field(init=False)
    _noted: dict[str, float] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.started = self.clock.now()
        self.lane = Lane(self.clock)
        self.permits = Permits(self.clock)
        self.earlier = Earlier(self.journal.totals.took, self.clock)
        self.announced = Announced(self.clock, self.log)

    def in_force(self) -> Tools:
        """One configuration with its service, key and outboxes, which stay as they are; all else is shared."""
        with self._changing:
            return copy.copy(self)

    def use(self, config: Config, key: Callable[[], str], api: Api, storage: Storage,
            outboxes: dict[str, Outbox]) -> None:
        """Another configuration is in force from now on, with all that belongs to it at once."""
        with self._changing:
            self.config, self.key, self.api, self.storage, self.outboxes = config, key, api, storage, outboxes

    @property
    def base_url(self) -> str:
        """The configured service."""
        return self.config.api.base_url

    def key_print(self) -> str:
        """What the journal keeps of the API key: enough to see that it is another one."""
        return self.read_key()[1]

    def read_key(self) -> tuple[str, str]:
        """The API key, read once, and what the journal keeps of it: for calls that must go out with that very key."""
        key = self.key()
        return key, hmac.new(self.journal.secret, key.encode(), hashlib.sha256).hexdigest()

    def check_permits(self, *, anew: bool = False) -> None:
        """Go on, unless the key may not fetch what it would buy; `anew`: whatever was found out before.

        Raises:
            MayNotDownload: it may not.
            KeyMissing: there is none.
            ApiError: with `anew`, where the service gave no answer to go by.
        """
        key = f"{self.base_url} {self.key_print()}"
        if anew:
            self.permits.doubt(key)
        self.permits.check(self.api, key, clearly=anew)

    def inbox(self, job: Job) -> Inbox:
        """The configured inbox of a job."""
        return self.config.inbox(job.inbox)

    def current_model(self, job: Job) -> str | None:
        """The model that a job's inbox is configured with now; None where it is configured no more."""
        return next((inbox.model for inbox in self.config.inboxes if inbox.name == job.inbox), None)

    def left_over(self) -> set[str]:
        """Inboxes that are configured no more, and whose outboxes still get what was paid for."""
        return set(self.outboxes) - {inbox.name for inbox in self.config.inboxes}

    def root(self, job: Job) -> str:
        """The folder that a job's path is relative to."""
        return str(self.inbox(job).path)

    def outbox(self, job: Job) -> Outbox:
        """Where a job's results go."""
        return self.outboxes[job.inbox]

    def note_progress(self, job: Job, percent: float) -> None:
        """Let people see how far a transfer is, once a second at most."""
        now = self.clock.monotonic()
        if now - self._noted.setdefault(job.id, now) >= _NOTED_EVERY:  # what is over within a second is not told
            self._noted[job.id] = now
            self.journal.jobs.note_progress(job.id, percent)

    def forget(self, job: Job) -> None:
        """Drop what memory holds for a job that goes on without it."""
        self.put_targets.pop(job.id, None)
        self._noted.pop(job.id, None)
        self.sent.pop(job.id, None)
        self.seen_empty.pop(job.id, None)
        self.shown -= {key for key in list(self.shown) if key[0] == job.id}
        if job.state is not State.UPLOADING:
            self.lane.done(job.id)
        for key in [key for key in list(self.links) if key[0] == job.id]:
            del self.links[key]
