"""Whose trouble is it? One job's is that job's, and what stops others has to be shown by more than one.

A job that met a stop or failed at an origin, and fails there again after somebody else passed, has a trouble of its
own: it stops nobody, counts for no outage, and waits out its own pauses. Kept in memory only: a restart asks anew.
"""

from __future__ import annotations

import threading
from enum import Enum, auto
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MOST: Final = 5000  # jobs remembered for each scope, of those that came last


class _Standing(Enum):
    MET = auto()
    PASSED_BY = auto()  # somebody else passed since
    OWN = auto()  # ... and it met it again


class Suspects:
    """The jobs that met each stop, and those that were asked whether it is over. Safe to use from many threads.

    A scope is that of a halt. An origin's trouble is told apart by the call that has it: a host that answers one
    call may have lost another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._met: dict[str, dict[tuple[str, str], _Standing]] = {}  # scope -> (call, job) -> how it stands
        self._asked: dict[str, dict[str, None]] = {}  # scope -> jobs, the last one asked last

    def met(self, scope: str, job: str, call: str = "") -> bool:
        """A job met the trouble; whether it is the job's own."""
        with self._lock:
            known = self._met.setdefault(scope, {})
            before = known.pop((call, job), _Standing.MET)
            known[call, job] = _Standing.OWN if before is _Standing.PASSED_BY else before
            _bound(known)
            return known[call, job] is _Standing.OWN

    def passed(self, scope: str, job: str, call: str = "") -> None:
        """A job got through, or with "" a call that is nobody's: what others met there may be their own trouble."""
        with self._lock:
            known = self._met.get(scope)
            if not known:
                return
            known.pop((call, job), None)
            for key, standing in known.items():
                if key[0] == call and standing is _Standing.MET:
                    known[key] = _Standing.PASSED_BY

    def own(self, scope: str, job: str) -> bool:
        """Whether what a job meets there is its own trouble."""
        with self._lock:
            return any(standing is _Standing.OWN and one == job
                       for (_, one), standing in self._met.get(scope, {}).items())

    def owners(self, scope: str) -> set[str]:
        """Jobs with a trouble of their own there."""
        with self._lock:
            return {job for (_, job), standing in self._met.get(scope, {}).items() if standing is _Standing.OWN}

    def showed(self, scope: str) -> set[str]:
        """Jobs that met the trouble and have not passed since."""
        with self._lock:
            return {job for _, job in self._met.get(scope, {})} - {""}

    def calls(self, scope: str) -> set[str]:
        """The calls that have it."""
        with self._lock:
            return {call for (call, _), standing in self._met.get(scope, {}).items() if standing is _Standing.MET}

    def ask(self, scope: str, job: str) -> None:
        """A job is let through, to see whether the stop is over."""
        with self._lock:
            asked = self._asked.setdefault(scope, {})
            asked.pop(job, None)
            asked[job] = None
            _bound(asked)

    def ask_again(self, scope: str, job: str) -> None:
        """It has not come to what is stopped yet: it is the next one to be let through."""
        with self._lock:
            self._asked.get(scope, {}).pop(job, None)

    def asked(self, scope: str) -> list[str]:
        """Jobs that were let through since the stop began, the last one last."""
        with self._lock:
            return list(self._asked.get(scope, {}))

    def over(self, scope: str) -> None:
        """The stop is over."""
        with self._lock:
            self._asked.pop(scope, None)


def _bound(table: dict[K, V]) -> None:
    while len(table) > _MOST:
        del table[next(iter(table))]
