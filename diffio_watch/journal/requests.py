"""What people ask of the daemon, and what it answers: the one table that other processes write."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from sqlite3 import Row
from typing import Any, Final

from diffio_watch.disk import names
from diffio_watch.journal.connection import Connection
from diffio_watch.journal.rows import dump

_LONGEST_NAME: Final = 100


PAGE: Final = "the page"  # how `who` begins where a button was clicked


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks, as it stands in the journal. `who` is a name; "" where nobody said one."""

    id: int
    command: str
    args: dict[str, Any]
    at: float
    who: str = ""

    @property
    def on_the_page(self) -> bool:
        """Whether somebody clicked: what is answered is for people who see a folder and a page, and no terminal."""
        return self.who.startswith(PAGE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon did about a request.

    Attributes:
        exit: the command's exit code.
        lines: for people.
        jobs: ids of the jobs that were changed; none where the request was about whatever is of a kind.
        changed: how many were.
    """

    exit: int
    lines: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    changed: int = 0


class Requests:
    """Requests and their answers."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def ask(self, command: str, args: dict[str, Any], who: str = "") -> int:
        """Leave a request of somebody for the daemon; its number."""
        with self._db.transaction() as db:
            number = db.execute("INSERT INTO requests (command, args, at, who) VALUES (?, ?, ?, ?)",
                                (command, dump(args), self._db.clock.now(), names.whole(who)[:_LONGEST_NAME])).lastrowid
            assert number is not None
            return number

    def unanswered(self) -> list[Request]:
        """Requests without an answer, oldest first."""
        return [_request(row) for row in self._db.rows("SELECT * FROM requests WHERE answer IS NULL ORDER BY id")]

    def keep(self, request: Request) -> None:
        """Remember how far a request is that is done in several transactions: its `args` tell it."""
        with self._db.transaction() as db:
            db.execute("UPDATE requests SET args = ? WHERE id = ?", (dump(request.args), request.id))

    def answer(self, number: int, answer: Answer) -> None:
        """Record what was done about a request."""
        with self._db.transaction() as db:
            db.execute("UPDATE requests SET answer = ?, answered_at = ? WHERE id = ?",
                       (dump(asdict(answer)), self._db.clock.now(), number))

    def answer_of(self, number: int) -> Answer | None:
        """The answer to a request; None as long as there is none."""
        row = self._db.row("SELECT answer FROM requests WHERE id = ?", number)
        if row is None or row["answer"] is None:
            return None
        found = json.loads(row["answer"])
        return Answer(found["exit"], tuple(found["lines"]), tuple(found["jobs"]), found.get("changed", 0))


def _request(row: Row) -> Request:
    return Request(row["id"], row["command"], json.loads(row["args"]), row["at"], row["who"])
