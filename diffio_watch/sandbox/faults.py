"""Faults as data: which calls they hit, how often, and what happens then. `tamper` does them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

Kind = Literal[
    "status",  # answer `status` with `body` and `headers`
    "html",  # a proxy's page, as `status` (200 unless told)
    "broken_json",  # 200 with JSON that ends too early
    "fields",  # the true answer with `fields` merged in; None takes a field out
    "huge",  # 200 with `size` bytes of JSON
    "redirect",  # `status` (307 unless told) to the recording trap
    "reset",  # RST; with `at`, after so many bytes of the request's body, or with `after` of the answer's
    "close",  # closed politely, and else likewise
    "delay",  # `seconds` before anything happens
    "stall",  # no answer, ever; with `at`, none after so many bytes of the answer's body
    "throttle",  # `rate` bytes a second in both directions
    "truncate",  # the answer's body ends after `at` bytes; `honest`: and its Content-Length says so
    "gzip",  # the answer comes packed, whatever was asked for
    "unsized",  # the answer tells no length; only the closed connection ends it
    "informational",  # "102 Processing" over and over for `seconds`, or for ever, before anything happens
    "expired",  # a signed URL or upload token counts as expired; a link is born so
    "swap",  # a download's object turns into another one, with another ETag, before this call
    "ignore_range",  # a download answers 200 with everything whatever range was asked
    "wrong_range",  # a download answers 206 with a Content-Range and bytes that were not asked
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Which calls: `call` and `where`; which of those: all the rest up to `seed` together.

    Calls: create_project, complete_project_upload, generate, progress, link, list_projects,
    list_generations, account, usage, test_event, configure_webhook; start, part, complete, abort; put,
    download. The pattern may hold `*`.
    """

    call: str
    kind: Kind
    where: str = ""  # text in the method, path, query, JSON body, or file name of the project
    nth: int | None = None  # only the n-th matching call, from 1
    first: int | None = None  # only the first n
    every: int | None = None  # every n-th
    chance: float | None = None  # with this probability
    times: int | None = None  # so often at most
    seed: int = 0  # of `chance`
    after: bool = False  # the call takes its effect first, then its answer is lost
    status: int | None = None
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    rate: float = 0.0
    at: int | None = None
    size: int = 64 * 1024 * 1024
    honest: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"no such fault: {self.kind}")
        if self.kind == "throttle" and self.rate <= 0:
            raise ValueError("throttle needs a rate in bytes a second")
        if self.kind == "truncate" and self.at is None:
            raise ValueError("truncate needs `at`, the bytes to let through")
        if self.kind == "status" and self.status is None:
            raise ValueError("status needs a status")

    @property
    def cuts_the_answer(self) -> bool:
        """Whether the answer's body begins truly, and ends or stalls at `at`."""
        return self.at is not None and (self.after or self.kind in ("truncate", "stall"))

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Fault:
        """A fault from JSON.

        Raises:
            ValueError: Unknown or missing fields.
        """
        if unknown := data.keys() - {each.name for each in fields(cls)}:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        if missing := {"call", "kind"} - data.keys():
            raise ValueError(f"a fault needs {', '.join(sorted(missing))}")
        return cls(**data)


class Rule:
    """A fault in place, with its counts: calls `matched` and calls `fired` at."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.matched = 0
        self.fired = 0
        self._random = random.Random(fault.seed)  # noqa: S311 - repeatable on purpose

    def fires(self, call: str, text: str) -> bool:
        """Whether the fault hits this call; counts it."""
        fault = self.fault
        if not fnmatchcase(call, fault.call) or fault.where not in text:
            return False
        self.matched += 1
        hit = (
            (fault.nth is None or self.matched == fault.nth)
            and (fault.first is None or self.matched <= fault.first)
            and (fault.every is None or self.matched % fault.every == 0)
            and (fault.chance is None or self._random.random() < fault.chance)
            and (fault.times is None or self.fired < fault.times)
        )
        self.fired += hit
        return hit
