"""Who is told what, and when: pure rules, with the time passed in."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest

from diffio_watch.job import Because, Job, Settings, State
from diffio_watch.journal import Halt
from diffio_watch.journal.notice_records import News, Outage, Telling
from diffio_watch.reasons import because
from diffio_watch.report.attention import Attention
from diffio_watch.service.notices import plan

HOUR = 3600.0


def news(path: str = "a.wav", state: State = State.FAILED, code: str = "truncated", at: float = 0.0,
         inbox: str = "in") -> News:
    why = because(code, detail="its end is missing", job="01J") if code else None
    return News(Job(f"id of {path}", inbox, path, 1, 1, Settings(), state, why), at)


class Mail:
    """A clock that only goes on, and what was sent by then."""

    def __init__(self) -> None:
        self.pending: list[Telling] = []
        self.last: dict[str, float | None] = {}
        self.sent: list[tuple[float, str, int]] = []

    def at(self, now: float, new: Iterable[Telling] = ()) -> None:
        self.pending = plan.merged(self.pending, new)
        for lane in plan.due(self.pending, self.last, now):
            self.sent.append((now, lane, sum(one.count for one in self.pending if one.lane == lane)))
            self.pending = [one for one in self.pending if one.lane != lane]
            self.last[lane] = now


def test_five_hundred_failures_in_five_minutes_make_two_messages() -> None:
    mail = Mail()
    for second in range(3 * 3600):
        failed = [news(f"{second}-{number}.wav", at=float(second)) for number in range(2)] if second < 250 else []
        mail.at(float(second), plan.of_jobs(failed))
    assert mail.sent == [(0.0, "files", 2), (249 + plan.QUIET, "files", 498)]


def test_what_never_comes_to_rest_is_told_every_half_hour() -> None:
    mail = Mail()
    for minute in range(181):
        mail.at(60.0 * minute, plan.of_jobs([news(f"{minute}.wav", at=60.0 * minute)]))
    told = [at for at, _, _ in mail.sent]
    assert told[0] == 0.0
    assert {round(later - earlier) for earlier, later in pairwise(told[1:])} == {1860}
    assert sum(count for _, _, count in mail.sent) + sum(one.count for one in mail.pending) == 181


def test_after_five_quiet_minutes_the_next_one_is_a_first_again() -> None:
    mail = Mail()
    for at in (0.0, 301.0, 900.0):
        mail.at(at, plan.of_jobs([news(at=at)]))
    assert [at for at, _, _ in mail.sent] == [0.0, 301.0, 900.0]


def test_a_clock_that_was_set_back_delays_nothing() -> None:
    mail = Mail()
    mail.at(9 * HOUR, plan.of_jobs([news(at=9 * HOUR)]))
    mail.at(HOUR, plan.of_jobs([news(at=HOUR)]))
    assert [at for at, _, _ in mail.sent] == [9 * HOUR, HOUR]


def test_what_is_stamped_around_the_moment_of_a_look_makes_no_message_more() -> None:
    """A failure is stamped before it is committed, and may be so after the look that its commit is found in."""
    mail = Mail()
    mail.at(10.0, plan.of_jobs([news("a.wav", at=9.9)]))
    mail.at(11.0, plan.of_jobs([news("b.wav", at=9.95)]))
    mail.at(12.0, plan.of_jobs([news("c.wav", at=12.05)]))
    for second in range(13, 400):
        mail.at(float(second))
    assert mail.sent == [(10.0, "files", 1), (313.0, "files", 2)]


@pytest.mark.parametrize("back", [60.0, plan.QUIET - 1, plan.QUIET, HOUR])
def test_a_clock_that_is_set_back_makes_a_digest_wait_for_twice_as_long_at_most(back: float) -> None:
    mail = Mail()
    mail.at(9 * HOUR, plan.of_jobs([news("a.wav", at=9 * HOUR)]))
    mail.at(9 * HOUR + 9, plan.of_jobs([news("b.wav", at=9 * HOUR + 9)]))
    for second in range(int(2 * plan.QUIET)):
        mail.at(9 * HOUR + 10 - back + second)
    assert [count for _, _, count in mail.sent] == [1, 1]


def test_what_is_to_be_told_is_bounded_however_many_reasons_there_are() -> None:
    pending: list[Telling] = []
    for number in range(500):
        pending = plan.merged(pending, plan.of_jobs([news(f"{number}.wav", inbox=f"in{number}")]))
    assert len(pending) == plan._MOST
    assert sum(one.count for one in pending) == 500
    assert all(len(one.names) <= plan._NAMES for one in pending)


def halt(scope: str = "account", code: str = "billing", since: float = 0.0) -> dict[str, Halt]:
    return {scope: Halt(scope, because(code, detail="unpaid", origin="https://x.example"), since, None)}


class Watch:
    """What lasts, second by second."""

    def __init__(self) -> None:
        self.known: dict[str, Outage] = {}
        self.told: list[tuple[float, str, float, int]] = []

    def at(self, now: float, halts: dict[str, Halt], waits: int = 0, people: Iterable[Attention] = ()) -> None:
        seen = [*plan.stops(halts, ["in"]), *plan.for_a_person(people, now)]
        self.known, new = plan.outages(self.known, seen, {"in": waits}, ["in"], now)
        self.told += [(now, one.event, one.lasted, one.waited) for one in new]


def test_an_outage_is_told_once_and_its_end_once_with_how_long_and_how_many() -> None:
    watch = Watch()
    for second in range(7200):
        watch.at(float(second), halt() if second < 3600 else {}, waits=14 if second == 3600 else 3)
    assert watch.told == [(0.0, "halted", 0.0, 0), (3600 + plan._STANDS, "resumed", 3600.0, 14)]


@pytest.mark.parametrize("scope", ["origin:https://x.example", "inbox:in:outbox"])
def test_what_mends_itself_within_seconds_is_told_nobody(scope: str) -> None:
    watch = Watch()
    for second in range(600):
        since = second - second % 60
        watch.at(float(second), halt(scope, "service_down", float(since)) if second < since + 10 else {})
    assert watch.told == []


def test_an_end_that_was_none_is_not_told() -> None:
    """A restart looks at a share anew, and finds it away still."""
    watch = Watch()
    for second in range(600):
        watch.at(float(second), {} if 300 <= second < 310 else halt("inbox:in:inbox", "unavailable"))
    assert [event for _, event, _, _ in watch.told] == ["halted"]


def test_a_restart_takes_a_models_stop_back_and_that_is_no_end() -> None:
    """It is tried anew then, by whatever job comes to it first."""
    watch = Watch()
    for second in range(0, 3600, 5):
        watch.at(float(second), {} if 300 <= second < 600 or second > 1800 else halt("inbox:in:model", "model_retired"))
    assert [(at, event) for at, event, _, _ in watch.told] == [(15.0, "halted"), (2405.0, "resumed")]


def test_a_stop_that_a_clock_dates_in_the_future_is_told() -> None:
    watch = Watch()
    watch.at(9 * HOUR, halt("inbox:in:outbox", "outbox_full", 9 * HOUR))
    watch.at(HOUR, halt("inbox:in:outbox", "outbox_full", 9 * HOUR))
    assert [(at, event) for at, event, _, _ in watch.told] == [(HOUR, "halted")]


def test_another_reason_of_the_same_stop_is_told() -> None:
    watch = Watch()
    watch.at(0.0, halt())
    watch.at(1.0, halt(code="auth"))
    assert [event for _, event, _, _ in watch.told] == ["halted", "halted"]


def test_the_end_of_an_inbox_that_was_taken_out_of_the_configuration_is_told_nobody() -> None:
    known = {"inbox:old:inbox": Outage("inbox:old:inbox", "old", "unavailable", "m", "a", 0.0, told=True)}
    assert plan.outages(known, [], {}, ["in"], 100.0) == ({}, [])


def test_a_file_that_waits_for_a_person_is_told_after_a_quarter_of_an_hour_once() -> None:
    watch = Watch()
    one = Attention("in", "waiting", "no_right", 3, "The service's user may not write there.", "Give it the right.")
    for second in range(0, 3000, 10):
        watch.at(float(second), {}, people=[one] if second < 2000 else [])
    assert [(at, event) for at, event, _, _ in watch.told] == [(900.0, "waiting")]


def test_what_was_told_as_held_or_failed_is_not_told_as_waiting_for_a_person_too() -> None:
    held = Attention("in", "held", "daily_limit", 3, "m", "a")
    assert plan.for_a_person([held], 0.0) == []


def test_only_what_is_wanted_is_told() -> None:
    watch = {event: Telling("files", event, "in", "", 1, (), "", "", 0.0, 0.0)
             for event in ("failed", "held", "waiting", "halted", "resumed", "delivered")}
    told = [one.event for one in plan.wanted(watch.values(), ("held", "resumed"))]
    assert told == ["held", "waiting", "resumed"]
    assert plan.states(("failed", "delivered", "halted")) == {State.FAILED, State.DELIVERED}


def test_an_early_reason_is_kept_with_the_name_that_it_was_given_for() -> None:
    """A sentence may name the file that it is about."""
    first, later = news("a.wav"), News(Job("2", "in", "b.wav", 1, 1, Settings(), State.FAILED,
                                           Because("truncated", "of b", "act")), 5.0)
    (one,) = plan.merged(plan.of_jobs([first]), plan.of_jobs([later]))
    assert (one.names, one.count, one.last_at) == (("a.wav", "b.wav"), 2, 5.0)
    assert "of b" not in one.message
    assert one.action.startswith("`diffio-watch jobs --inbox in --state failed --reason truncated` names them")
