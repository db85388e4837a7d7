"""The journal's account side: halts, pauses, what was bought, and what people ask of the daemon."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any, Final

from diffio_watch.disk import names
from diffio_watch.job import Because, Job, State
from diffio_watch.journal.files import Files
from diffio_watch.journal.rows import dump, dump_because, load_because


@dataclass(frozen=True, slots=True)
class Halt:
    """What stops the account, one origin or one inbox.

    `scope` is `account`, `origin:https://host` or `inbox:NAME`. Times are seconds since the epoch.
    """

    scope: str
    because: Because
    since: float
    next_check_at: float | None
    probes: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks, as it stands in the journal. `who` is a name; "" where nobody said one."""

    id: int
    command: str
    args: dict[str, Any]
    at: float
    who: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon did about a request. `lines` are for people; `exit` is the command's exit code."""

    exit: int
    lines: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()

_LONGEST_NAME: Final = 100


class Account(Files):
    """Halts, pauses, purchases and requests."""

    def halts(self) -> dict[str, Halt]:
        """All halts, by scope."""
        return {row["scope"]: Halt(row["scope"], load_because(row["because"]) or Because("internal", "", ""),
                                   row["since"], row["next_check_at"], row["probes"])
                for row in self._all("SELECT * FROM halts")}

    def set_halt(self, halt: Halt) -> None:
        """Begin a halt, or note a probe of it."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO halts VALUES (?, ?, ?, ?, ?)",
                       (halt.scope, dump_because(halt.because), halt.since, halt.next_check_at, halt.probes))

    def clear_halt(self, scope: str) -> bool:
        """End a halt; whether there was one."""
        with self.transaction() as db:
            return db.execute("DELETE FROM halts WHERE scope = ?", (scope,)).rowcount > 0

    def pauses(self) -> dict[str, float]:
        """Paused inboxes and since when; `*` is all of them."""
        return {row["inbox"]: row["since"] for row in self._all("SELECT * FROM pauses")}

    def pause(self, inbox: str) -> None:
        """Pause an inbox, or all with `*`."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO pauses VALUES (?, ?)", (inbox, self.clock.now()))

    def resume(self, inbox: str) -> None:
        """End the pause of an inbox; `*` ends them all."""
        with self.transaction() as db:
            db.execute("DELETE FROM pauses WHERE inbox = ? OR ? = '*'", (inbox, inbox))

    def under_way(self, states: Collection[State], inboxes: Collection[str], base_url: str, *,
                  parks: int | None = None) -> int:
        """How many jobs are in these states and go on by themselves.

        Args:
            states: theirs.
            inboxes: names of those that count.
            base_url: of the service; jobs that belong to another one do not count.
            parks: jobs that were parked so often in a row, and are so now, do not count either.
        """
        marks, names = ", ".join("?" * len(states)), ", ".join("?" * len(inboxes))
        row = self._one(
            f"SELECT count(*) AS n FROM jobs WHERE state IN ({marks}) AND inbox IN ({names}) "  # noqa: S608 - placeholders only
            "AND due_at IS NOT NULL AND (base_url IS NULL OR base_url = ?) "
            "AND (? IS NULL OR parks < ? OR because IS NULL)",
            *sorted(states), *inboxes, base_url, parks, parks)
        assert row is not None
        return int(row["n"])

    def bought(self) -> int:
        """Generations ever intended: it grows with each, whatever the clock says."""
        row = self._one("SELECT count(*) AS n FROM jobs WHERE intent_at IS NOT NULL")
        assert row is not None
        return int(row["n"])

    def maker(self, size: int, sha256: Callable[[], str]) -> Job | None:
        """The oldest job that brought this very content from the service.

        None also where that is the content it was given: who gets back what he sent, such as from the sandbox, has
        no restored file, and a copy of the recording is just that.

        Args:
            size: of the content, in bytes.
            sha256: tells its hash; only asked where the size allows it.
        """
        if self._one("SELECT 1 FROM made WHERE size = ?", size) is None:
            return None
        found = self._jobs("id IN (SELECT job FROM made WHERE size = ? AND sha256 = ?) AND sha256 IS NOT ? "
                           "ORDER BY seq LIMIT 1", size, mine := sha256(), mine)
        return found[0] if found else None

    def left_over(self, inboxes: Collection[str]) -> dict[str, int]:
        """How many jobs are paid for and on their way in inboxes other than these, by inbox."""
        names = ", ".join("?" * len(inboxes))
        rows = self._all(
            "SELECT inbox, count(*) AS n FROM jobs WHERE state IN ('generating', 'waiting', 'downloading') "  # noqa: S608 - placeholders only
            f"AND due_at IS NOT NULL AND intent_at IS NOT NULL AND inbox NOT IN ({names}) GROUP BY inbox", *inboxes)
        return {row["inbox"]: row["n"] for row in rows}

    def ask(self, command: str, args: dict[str, Any], who: str = "") -> int:
        """Leave a request of somebody for the daemon; its number."""
        with self.transaction() as db:
            number = db.execute("INSERT INTO requests (command, args, at, who) VALUES (?, ?, ?, ?)",
                                (command, dump(args), self.clock.now(), names.whole(who)[:_LONGEST_NAME])).lastrowid
            assert number is not None
            return number

    def open_requests(self) -> list[Request]:
        """Requests without an answer, oldest first."""
        return [Request(row["id"], row["command"], json.loads(row["args"]), row["at"], row["who"])
                for row in self._all("SELECT * FROM requests WHERE answer IS NULL ORDER BY id")]

    def answer(self, number: int, answer: Answer) -> None:
        """Record what was done about a request."""
        with self.transaction() as db:
            db.execute("UPDATE requests SET answer = ?, answered_at = ? WHERE id = ?",
                       (dump(asdict(answer)), self.clock.now(), number))

    def answer_of(self, number: int) -> Answer | None:
        """The answer to a request; None as long as there is none."""
        row = self._one("SELECT answer FROM requests WHERE id = ?", number)
        if row is None or row["answer"] is None:
            return None
        found = json.loads(row["answer"])
        return Answer(found["exit"], tuple(found["lines"]), tuple(found["jobs"]))
