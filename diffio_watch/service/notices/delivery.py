"""A message on its way: to whom, what came of it at each address, and who gets it once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from diffio_watch.journal import Journal
from diffio_watch.journal.notice_records import Notice, Result
from diffio_watch.service.notices import addresses, send

_AGAIN: Final = (60.0, 300.0, 1800.0)  # seconds before those who did not take it are tried once more
_CUT_OFF: Final = "The daemon ended while it was sent; it is not known whether it arrived, and it is not sent again."


class Send(Protocol):
    """Sends a message; see `send.message`."""

    def __call__(self, urls: list[str], subject: str, body: str, stop: Callable[[], bool], /) -> list[send.Outcome]:
        """What came of it at each address."""


class Delivery:
    """Sends what the journal knows of already, and records what came of it.

    Args:
        journal: that.
        message: sends; see `send.message`.
        log: where it is told.
    """

    def __init__(self, journal: Journal, message: Send, log: FilteringBoundLogger) -> None:
        self._journal = journal
        self._message = message
        self._log = log

    def cut_off(self, now: float) -> None:
        """What the last run was just sending is not sent again: nobody knows whether it arrived."""
        for notice in self._journal.notices.unended():
            known = notice.results or (Result("", "all", None, _CUT_OFF),)
            results = tuple(replace(one, ok=None, error=_CUT_OFF) if not one.ok else one for one in known)
            self._journal.notices.end(replace(notice, results=results, ended_at=now, next_at=None))
            self._log.warning("notice.cut_off", subject=notice.subject, message=_CUT_OFF)

    def again(self, notice: Notice, found: addresses.Addresses, now: float, stop: Callable[[], bool]) -> None:
        """To those who refused it and are known; it stays due where the others are not because the file is away.

        Args:
            notice: a message that was sent, and is due again.
            found: who is known.
            now: seconds since the epoch.
            stop: whether the program is to end.
        """
        known = {self._name(url): url for url in found.urls}
        refused = [one.id for one in notice.results if one.ok is False]
        urls = [known[one] for one in refused if one in known]
        away = found.unread and len(urls) < len(refused)
        if urls and not (away and notice.tries > len(_AGAIN)):  # whoever was away has one more try then, and so all
            self.send(self._journal.notices.begin_again(notice), urls, stop, away=away)
        else:
            self._journal.notices.end(replace(notice, next_at=now + _AGAIN[0] if away else None))

    def send(self, notice: Notice, urls: Sequence[str], stop: Callable[[], bool], *, away: bool = False) -> None:
        """Send a message, and record what came of it.

        Args:
            notice: it.
            urls: to whom.
            stop: whether the program is to end.
            away: it is for others too, of whom nobody knows the address now.
        """
        outcomes = self._message(list(urls), notice.subject, notice.body, stop)
        now = self._journal.clock.now()
        fresh = {self._name(url): Result(self._name(url), addresses.redacted(url), one.ok, one.error)
                 for url, one in zip(urls, outcomes, strict=True)}
        results = tuple(({one.id: one for one in notice.results} | fresh).values())
        refused = [one for one in fresh.values() if one.ok is False]
        again = now + _AGAIN[0] if away else None
        if refused and notice.tries <= len(_AGAIN):
            again = now + _AGAIN[notice.tries - 1]
        ended = replace(notice, results=results, ended_at=now, next_at=again)
        self._journal.notices.end(ended)
        for one in ended.failed:
            if one.id in fresh:
                self._log.warning("notice.not_sent", subject=notice.subject, address=one.address, message=one.error,
                                  tries=notice.tries, again_in=None if again is None else round(again - now))
        if any(one.ok for one in fresh.values()):
            self._log.info("notice.sent", subject=notice.subject, events=notice.events,
                           addresses=sum(bool(one.ok) for one in fresh.values()))

    def _name(self, url: str) -> str:
        return addresses.name(url, self._journal.secret)
