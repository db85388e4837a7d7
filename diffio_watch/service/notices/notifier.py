"""The thread that tells people: looks into the journal, sends what is due, and asks the heartbeat's address.

Nothing waits for it, and it waits for nothing of the pipeline. What goes wrong in it is told, and it goes on.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from structlog.typing import FilteringBoundLogger

from diffio_watch.config import Config
from diffio_watch.journal import Journal, JournalError
from diffio_watch.journal.notice_records import News, NoticesState
from diffio_watch.report import attention
from diffio_watch.service.notices import addresses, plan, send, words
from diffio_watch.service.notices.delivery import Delivery, Send
from diffio_watch.service.notices.heartbeat import Beat, Heartbeat
from diffio_watch.service.notices.patience import Patience

_TICK: Final = 1.0
_PERSON_EVERY: Final = 60.0  # seconds between two looks for what waits for a person
_STATE_EVERY: Final = 60.0  # … at the file with addresses
_STATE_SOON: Final = 5.0  # … where it is not certain whom to tell
_LAST_PATIENCE: Final = 20.0  # … that it is waited for where nobody will look for long: a disk that spins up takes ten
_WINDOWS: Final = 5  # parts of the history in one look
_AFTER_A_FAULT: Final = 60.0


@dataclass(frozen=True)
class Ways:
    """How things leave this machine, and whether they can."""

    message: Send = send.message
    heartbeat: Beat = send.heartbeat
    available: Callable[[], bool] = send.available


class Notifier:
    """Tells people what failed, is held, stopped or goes on.

    Args:
        journal: where that is found.
        config: gives the configuration that is in force.
        log: where what goes wrong is told.
        moving: whether all loops of the daemon move.
        ways: how messages leave.
        host: the name of this machine.
        remember: told each secret that is read, so that no log tells it.
    """

    def __init__(self, journal: Journal, config: Callable[[], Config], log: FilteringBoundLogger,
                 moving: Callable[[], bool], ways: Ways | None = None, host: str = "",
                 remember: Callable[[str], None] = lambda _: None) -> None:
        self._journal = journal
        self._config = config
        self._log = log
        self._ways = ways or Ways()
        self._delivery = Delivery(journal, self._ways.message, log)
        self._remember = remember
        self._host = host or socket.gethostname()
        self._stop: Callable[[], bool] = lambda: False
        self._cursor: int | None = None
        self._seen = -1  # the journal's commits, at the last look
        self._person_at = float("-inf")
        self._persons: list[plan.Seen] = []
        self._state_at = float("-inf")
        self._told = NoticesState()  # as it stands in the journal
        self._problem = ""
        self._found = addresses.Addresses()
        self._patience = Patience(journal)
        self._reconfigured = False
        self._there = False  # Apprise
        self._beats = Heartbeat(self._ways.heartbeat, moving, log)
        self._began = self._resting = False
        self._waited: dict[str, int] = {}
        self._looking = threading.Lock()

    def run(self, stop: threading.Event, sick: threading.Event) -> None:
        """A thread's body. It ends when the program does, and for no other reason.

        Args:
            stop: set when the program ends.
            sick: set while the journal can't be written.
        """
        self._stop = stop.is_set
        while not stop.is_set():
            pause = _TICK
            if not sick.is_set():
                try:
                    self.look(self._journal.clock.now(), self._journal.clock.monotonic())
                except JournalError as error:  # the daemon's own threads find it out too, and say what to do
                    self._log.warning("notices.wait", message=str(error))
                    pause = _AFTER_A_FAULT
                except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on, and so does telling
                    if stop.is_set():  # the journal may be closed already
                        return
                    self._log.error("notices.broke", error=f"{type(error).__name__}: {error}", exc_info=error)
                    pause = _AFTER_A_FAULT
            stop.wait(pause)

    def begin(self, now: float) -> None:
        """Before anything happens that is to be told: what comes from now on is.

        Args:
            now: seconds since the epoch.

        Raises:
            JournalTrouble: the journal can't be written.
        """
        self._began = True
        self._told = self._journal.notices.state() or NoticesState()
        self._patience.begin()
        self._delivery.cut_off(now)
        self._cursor = self._journal.notices.cursor()
        if self._cursor is None and self._means(self._config()):
            self._start_here()

    def look(self, now: float, steady: float, *, last: bool = False) -> None:
        """Look once, and send what is due.

        Args:
            now: seconds since the epoch.
            steady: seconds of a clock that nobody sets.
            last: nobody will look for long: all that is to be told is due.
        """
        with self._looking:
            self._look(now, steady, last=last)

    def _look(self, now: float, steady: float, *, last: bool) -> None:
        if self._reconfigured:  # before the configuration is asked for: it may be another at any moment
            self._reconfigured = False
            self._state_at, self._seen = float("-inf"), -1
        config = self._config()
        if not self._began:
            self.begin(now)
        found = self._found
        certain = found.urls and not found.lacks_file and found.missing is None
        if (steady - self._state_at >= (_STATE_EVERY if certain else _STATE_SOON)
                or found.file != config.notify.urls_file):
            self._state_at = steady
            self._read(config, steady)
            self._there = self._ways.available()
        self._beats.look(config.notify.heartbeat, now, steady, self._stop, last=last)
        meant = self._means(config)
        self._say_state(meant=meant)
        if not meant:
            self._rest()
            self._patience.forget()
            return
        self._resting = False
        self._gather(config, now, steady)
        waits = self._patience.waits(self._found, steady)
        if waits and last and self._there and (self._journal.notices.tellings() or self._journal.notices.again(now)):
            self._wait_for_the_file(config, steady)
            self._say_state(meant=meant)
        if self._found.urls and self._there and (last or not waits):
            self._send(config, now, steady, last=last)

    def reconfigured(self) -> None:
        """The configuration was changed: whom to tell is read anew at the next look."""
        self._reconfigured = True

    def _wait_for_the_file(self, config: Config, steady: float) -> None:
        began, passed = time.monotonic(), 0.0
        while self._patience.waits(self._found, steady + passed) and passed < _LAST_PATIENCE and not self._stop():
            time.sleep(_TICK / 4)
            passed = time.monotonic() - began
            self._read(config, steady + passed)
        self._patience.waits(self._found, steady + passed)

    def _start_here(self) -> None:
        self._cursor = self._journal.notices.newest_line()
        self._journal.notices.remember(cursor=self._cursor)

    @staticmethod
    def _means(config: Config) -> bool:
        """Whether anybody is to be told."""
        return bool(config.notify.urls or config.notify.urls_file)

    def _rest(self) -> None:
        """Nobody is told anything. Whoever is from some day on is not told the past."""
        if not self._resting:
            if self._cursor is not None:
                self._journal.notices.forget()
            self._cursor, self._resting = None, True

    def _gather(self, config: Config, now: float, steady: float) -> None:
        """Find in the journal what is to be told."""
        notices = self._journal.notices
        inboxes = [inbox.name for inbox in config.inboxes]
        commits = self._journal.commits
        if self._cursor is None:
            self._start_here()
        assert self._cursor is not None
        news: list[News] = []
        for _ in range(_WINDOWS if commits != self._seen else 0):
            more, through = notices.news(self._cursor, plan.states(config.notify.events), now)
            self._seen = commits if through == self._cursor else -1  # there may be more
            if through == self._cursor:
                break
            news, self._cursor = news + more, through
        late = notices.later(now)
        if steady - self._person_at >= _PERSON_EVERY:
            self._person_at = steady
            self._persons = self._for_a_person(inboxes, now)
        seen = [*plan.stops(self._journal.halts.all(), inboxes), *self._persons]
        before = notices.outages()
        outages, of_outages = plan.outages(before, seen, self._waited, inboxes, now)
        self._waited = notices.waits() if outages else {}  # before whatever waits goes on
        early = [one for one in news if one.later is not None]
        ready = [one for one in news if one.later is None] + (late or [])
        new = [*plan.of_jobs(ready), *plan.wanted(of_outages, config.notify.events)]
        if new or early or late is not None or outages != before:
            notices.remember(cursor=self._cursor, tellings=plan.merged(notices.tellings(), new) if new else None,
                             outages=outages if outages != before else None, later=early,
                             due=0.0 if late is None else now)

    def _for_a_person(self, inboxes: list[str], now: float) -> list[plan.Seen]:
        overview = self._journal.overview
        settling = {name: self._journal.inboxes.settling_in(name) for name in inboxes}
        return plan.for_a_person(attention.files(overview.groups(), settling, overview.stuck_originals(), running=True,
                                                 inboxes=inboxes), now)

    def _send(self, config: Config, now: float, steady: float, *, last: bool) -> None:
        """Send what is due, a message at a time."""
        notices = self._journal.notices
        tellings, again = notices.tellings(), notices.again(now)
        lanes = {one.lane: notices.last_at(one.lane) for one in tellings}
        link = words.link(config.web, self._host)
        due = list(lanes) if last else plan.due(tellings, lanes, now)
        if due or again is not None:
            self._read(config, steady)
        if not self._found.urls:  # it stays due until there is somebody to tell
            return
        for lane in due:
            if self._stop():
                return
            those = [one for one in tellings if one.lane == lane]
            subject, body = words.message(those, self._host, link)
            notice = notices.begin(lane, now, sum(one.count for one in those), subject, body)
            self._delivery.send(notice, self._found.urls, self._stop)
        if again is not None and not self._stop():
            self._delivery.again(again, self._found, now, self._stop)

    def _read(self, config: Config, steady: float) -> None:
        """Whom to tell, as it is now."""
        notify = config.notify
        self._found = addresses.read(notify, self._found, steady, expected=self._patience.expects(notify.urls_file))
        for url in (*self._found.urls, *([notify.heartbeat] if notify.heartbeat else [])):
            for secret in addresses.secrets(url):
                self._remember(secret)

    def _say_state(self, *, meant: bool) -> None:
        """Keep how telling is, where that changed, and tell what is wrong with it once."""
        problem = self._found.problem
        if meant and not self._there:
            problem = send.MISSING
        elif meant and not self._found.urls:
            problem = problem or "There is no address in `notify.urls_file` yet, so nobody is told."
        state = NoticesState(len(self._found.urls) if meant else 0, problem if meant else "", self._beats.address,
                             self._beats.problem, self._beats.at)
        if state.problem and state.problem != self._problem:
            self._log.warning("notices.limited", message=state.problem)
        self._problem = state.problem
        if state != self._told:
            self._journal.notices.set_state(None if state == NoticesState() else state)
            self._told = state
