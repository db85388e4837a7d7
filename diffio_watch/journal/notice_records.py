"""What there is to tell people by message, and what was told, as plain records. Times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass

from diffio_watch.job import Job


@dataclass(frozen=True, slots=True)
class News:
    """A job that came to a state that people are told of. `later` is before when that would be too early."""

    job: Job
    at: float
    later: float | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told of one reason in one inbox, however many it concerns.

    Attributes:
        lane: what it shares its messages with.
        event: `failed`, `held`, `delivered`, `halted`, `resumed` or `waiting` (for a person).
        inbox: its name; "" where it is no inbox's.
        code: of the reason; "" where there is none.
        count: how many jobs or files, or times.
        names: of a few of them, as they are shown.
        message: what is the matter.
        action: what to do.
        first_at: when the first came, in seconds since the epoch.
        last_at: when the last came.
        lasted: seconds that it had stopped.
        waited: how many recordings waited for its end.
        key: of the `Outage` that it tells of; "" of jobs.
    """

    lane: str
    event: str
    inbox: str
    code: str
    count: int
    names: tuple[str, ...]
    message: str
    action: str
    first_at: float
    last_at: float
    lasted: float = 0.0
    waited: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """What lasts: a stop, or what waits for a person.

    Attributes:
        key: its scope, or what waits where for what.
        inbox: "" where it is no inbox's.
        code: of the reason.
        message: what is the matter.
        action: what to do.
        since: when it began, in seconds since the epoch.
        told: its beginning was told, or is to be.
        gone_at: when it was seen to be over; None: it goes on.
        count: how many files it concerns; 0 where it is none of files.
        waited: how many recordings waited when it was over.
    """

    key: str
    inbox: str
    code: str
    message: str
    action: str
    since: float
    told: bool = False
    gone_at: float | None = None
    count: int = 0
    waited: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a message at one address.

    Attributes:
        id: of the address, which says nothing about it.
        address: in a form that shows no secret.
        ok: whether it was taken; None: nobody knows.
        error: why not, in words.
    """

    id: str
    address: str
    ok: bool | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A message. Times are seconds since the epoch.

    Attributes:
        ended_at: when it was known what came of it; None: it is being sent.
        next_at: when those who did not take it are tried again; None: never.
        events: how many things it tells of.
    """

    id: int
    lane: str
    at: float
    events: int
    subject: str
    body: str
    tries: int = 1
    results: tuple[Result, ...] = ()
    next_at: float | None = None
    ended_at: float | None = None

    @property
    def failed(self) -> tuple[Result, ...]:
        """The addresses where it is not known to have arrived."""
        return tuple(one for one in self.results if not one.ok)


@dataclass(frozen=True, slots=True)
class AddressFile:
    """What one run tells the next of the file with addresses.

    Attributes:
        path: its path.
        somebody: whether anybody stood in it when it was read last.
        waited: seconds that messages waited for it since.
    """

    path: str
    somebody: bool = False
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class NoticesState:
    """How telling is. Times are seconds since the epoch.

    Attributes:
        addresses: how many are told.
        problem: why nothing, or less, is told, in words; "" where all is well.
        heartbeat: the heartbeat's address in a form that shows no secret; "" where there is none.
        heartbeat_problem: what came of it last; "" where that was well, or nothing yet.
        heartbeat_at: when that changed last.
    """

    addresses: int = 0
    problem: str = ""
    heartbeat: str = ""
    heartbeat_problem: str = ""
    heartbeat_at: float | None = None
