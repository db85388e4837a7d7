"""What runs once the journal is open, made of a configuration: tools, halts, dispatcher, and a room an inbox."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from structlog.typing import FilteringBoundLogger

from diffio_watch import __version__
from diffio_watch.api import Api, Storage
from diffio_watch.clock import Clock
from diffio_watch.config import Config, Inbox
from diffio_watch.daemon.changes import Changes
from diffio_watch.daemon.folder_page import teller
from diffio_watch.daemon.rooms import Room
from diffio_watch.daemon.startup import available, root
from diffio_watch.daemon.traffic import Traffic
from diffio_watch.disk import marker
from diffio_watch.intake.room import Intake
from diffio_watch.intake.status import Now
from diffio_watch.journal import Journal
from diffio_watch.outbox import Outbox
from diffio_watch.pipeline import command_queue
from diffio_watch.pipeline.chores import Chores
from diffio_watch.pipeline.dispatch import Dispatcher
from diffio_watch.pipeline.halts import Halts
from diffio_watch.pipeline.sessions import Sessions
from diffio_watch.pipeline.tools import Tools
from diffio_watch.pipeline.worker import Worker
from diffio_watch.reasons import because

_LINES: Final = 3  # of an answer, as the log has them
_Part = TypeVar("_Part")
_Make = Callable[[Callable[[], None]], _Part]


@dataclass
class Parts:
    """What runs.

    Attributes:
        rooms: by inbox name.
        threads: the dispatcher's, and the one for what is daily.
        replaced: clients of an earlier configuration; a call may still be on its way with one.
    """

    maker: Maker
    journal: Journal
    tools: Tools
    halts: Halts
    dispatcher: Dispatcher
    rooms: dict[str, Room]
    threads: tuple[threading.Thread, ...] = ()
    replaced: list[Api | Storage] = field(default_factory=list)

    def inboxes(self) -> dict[str, Now]:
        """How each inbox is."""
        return {name: room.intake.now for name, room in self.rooms.items()}

    def alive(self) -> bool:
        """Whether every thread runs, or hangs in a file call: with one that died the work would stand still."""
        return (all(thread.is_alive() for thread in self.threads) and self.dispatcher.alive()
                and all(room.alive() for room in self.rooms.values()))

    def look_again(self, inbox: str, path: str) -> None:
        """Ask the intake of an inbox to look at a path."""
        room = self.rooms.get(inbox)
        if room is not None:  # else it was taken out of the configuration meanwhile
            room.intake.look(path)

    def announce(self, generation_id: str) -> None:
        """The service says that a generation, of whomever, is at its end; may be called from any thread."""
        self.tools.announced.hear(generation_id)
        self.dispatcher.wake()

    def serve_requests(self) -> None:
        """Do what people asked for since the last look, and tell it in the log."""
        served = command_queue.serve(self.journal, self.tools.config, self.tools.clock.now())
        for request, answer in served:
            self.tools.log.info("request.served", command=request.command, who=request.who, exit=answer.exit,
                                jobs=len(answer.jobs), answer=" ".join(answer.lines[:_LINES]))
        if served:
            self.halts.reload()
            self.dispatcher.wake()

    def close(self) -> None:
        """Close what holds connections."""
        for client in (self.tools.api, self.tools.storage, *self.replaced):
            client.close()


@dataclass(frozen=True)
class Maker:
    """Makes the parts; they share what is here.

    Attributes:
        owner: the journal's id and counter, for the markers.
        key: makes what reads the API key of a configuration anew.
        stop: set when the program ends.
        sick: set while the journal can't be written: nothing may be sent.
        trouble: told of everything that a thread could not deal with.
        count: raises the count that markers get, and tells it.
        traffic: counts requests and bytes.
    """

    journal: Journal
    owner: marker.Owner
    clock: Clock
    key: Callable[[Config], Callable[[], str]]
    log: FilteringBoundLogger
    stop: threading.Event
    sick: threading.Event
    trouble: Callable[[BaseException], None]
    count: Callable[[], int]
    traffic: Traffic = field(default_factory=Traffic)

    def make(self, config: Config) -> Parts:
        """Make everything but the threads that supervise it."""
        halts = Halts(self.journal, self.log)
        tools = Tools(
            config=config, journal=self.journal, key=self.key(config), sessions=Sessions(config.state_dir),
            api=self._api(config, halts), storage=self._storage(config, halts),
            outboxes={inbox.name: self._outbox(inbox.name, inbox.outbox) for inbox in config.inboxes}
            | self._left_over(config), clock=self.clock, stop=self.stop, sick=self.sick, version=__version__,
            log=self.log, count=self.count)
        worker = Worker(tools, halts, lambda inbox, path: parts.look_again(inbox, path))  # noqa: PLW0108  # not there yet
        parts = Parts(self, self.journal, tools, halts, Dispatcher(tools, halts, worker, self.trouble), {})
        for inbox in config.inboxes:
            parts.rooms[inbox.name] = self._room(inbox, parts)
        return parts

    def change(self, parts: Parts, changes: Changes) -> None:
        """Put another configuration in force. A job on its way rests before it meets the new one.

        Args:
            parts: what runs.
            changes: of the configuration that they were made of.
        """
        tools, old, new = parts.tools, parts.tools.config, changes.config
        service = tools.api, tools.storage
        if (old.api, old.limits.requests_per_second) != (new.api, new.limits.requests_per_second):
            parts.replaced += service
            service = self._api(new, parts.halts), self._storage(new, parts.halts)
        fresh = changes.added | changes.changed
        tools.use(new, self.key(new), *service, self._left_over(new) | {
            inbox.name: self._outbox(inbox.name, inbox.outbox) if inbox.name in fresh else tools.outboxes[inbox.name]
            for inbox in new.inboxes})
        if old.limits.approve_over_files != new.limits.approve_over_files:
            fresh = frozenset(inbox.name for inbox in new.inboxes)
        for name in changes.removed:
            parts.rooms.pop(name).leave()
        for inbox in new.inboxes:
            if inbox.name in changes.added:
                parts.rooms[inbox.name] = self._room(inbox, parts)
                parts.rooms[inbox.name].start()
            elif inbox.name in fresh:
                parts.rooms[inbox.name].renew(*self._makes(inbox, parts), _places(inbox))
        parts.dispatcher.resize(new.limits)

    def settle(self, parts: Parts, changes: Changes) -> None:
        """What another configuration, which is in force, ends or has asked anew. It may be done twice.

        Raises:
            JournalTrouble: it can't be written.
        """
        parts.halts.tidy_inboxes(parts.rooms)
        if changes.service:
            parts.halts.ask_now(self.clock.now())

    def _api(self, config: Config, halts: Halts) -> Api:
        return Api(config.api.base_url, self.key(config), connect_timeout=config.api.connect_timeout,
                   read_timeout=config.api.read_timeout, stop=self.stop, observe=self.traffic.beside(halts.observe),
                   requests_per_second=config.limits.requests_per_second)

    def _storage(self, config: Config, halts: Halts) -> Storage:
        return Storage(config.api.base_url, connect_timeout=config.api.connect_timeout,
                       read_timeout=config.api.read_timeout, stop=self.stop,
                       observe=self.traffic.beside(halts.observe))

    def _left_over(self, config: Config) -> dict[str, Outbox]:
        """The outboxes of inboxes that are configured no more, for what was paid for there: the journal knows them."""
        found = {}
        for name, jobs in self.journal.totals.left_over([inbox.name for inbox in config.inboxes]).items():
            memory = self.journal.folders.get("outbox", name)
            reason = because("left_out", inbox=name)
            self.log.warning("inbox.left_out", inbox=name, jobs=jobs, outbox=memory.path if memory else "",
                             message=reason.message, action=reason.action)
            if memory is not None and memory.path:
                found[name] = self._outbox(name, Path(memory.path))
        return found

    def _outbox(self, name: str, path: Path) -> Outbox:
        there = available(self.journal, self.owner, "outbox", name, path, self.trouble)
        return Outbox(str(path), inbox=name, available=there,
                      tell=lambda words: self.log.warning("outbox.limited", detail=words))

    def _room(self, inbox: Inbox, parts: Parts) -> Room:
        return Room(inbox.name, *self._makes(inbox, parts), parts.halts, self.clock, self.trouble, _places(inbox))

    def _makes(self, inbox: Inbox, parts: Parts) -> tuple[_Make[Intake], _Make[Chores]]:
        """What makes the two that work in an inbox's room."""
        inbox_root = root(self.journal, self.owner, "inbox", inbox, self.trouble)
        archive = root(self.journal, self.owner, "archive", inbox, self.trouble) if inbox.archive else None
        tools, wake = parts.tools, parts.dispatcher.wake
        approve_over = tools.config.limits.approve_over_files
        return (
            lambda beat: Intake(inbox, self.journal, self.owner, self.clock, heartbeat=lambda _: beat(),
                                approve_over=approve_over, journalled=wake),
            lambda beat: Chores(inbox, tools, parts.halts, inbox_root, archive, beat,
                                tell=teller(tools, self.journal, inbox.name)))


def _places(inbox: Inbox) -> list[str]:
    """The folders that the threads of an inbox work in."""
    return [str(folder) for folder in (inbox.path, inbox.outbox, inbox.archive) if folder is not None]
