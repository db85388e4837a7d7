"""The one place that decides about errors: the whole error family in every state, time passed in."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Final

import pytest

from diffio_watch.api import errors as api
from diffio_watch.config import KeyMissing
from diffio_watch.job import OPEN, TRANSITIONS, Because, Job, Settings, State
from diffio_watch.outbox.errors import DiskTrouble, OutboxGone
from diffio_watch.pipeline.decide import INTERNAL_TRIES, ModelUnknown, ProjectGone, decide, models, size
from diffio_watch.pipeline.original import Changed
from diffio_watch.pipeline.outcome import Outcome, new_project, park, pause
from diffio_watch.reasons import REASONS, Kind, because

NOW: Final = 1_000_000.0
MODEL: Final = Settings().model
BLANK: Final = Job("01J", "podcasts", "a.wav", 10, 1, Settings(), due_at=NOW)
UPLOADING: Final = replace(BLANK, state=State.UPLOADING)
PAID: Final = replace(BLANK, state=State.GENERATING, project_id="p", uploaded=True, base_url="u", key_print="k",
                      idempotency_key="i", body="{}", intent_at=NOW)
JOBS: Final = {
    "queued": BLANK,
    "new": UPLOADING,
    "sending": replace(UPLOADING, project_id="p", base_url="u", upload="multipart"),
    "paying": PAID,
    "waiting": replace(PAID, state=State.WAITING, generation_id="g"),
    "fetching": replace(PAID, state=State.DOWNLOADING, generation_id="g"),
}
ERRORS: Final[dict[str, Exception]] = {
    "Unreachable": api.Unreachable("x"),
    "Ambiguous": api.Ambiguous("x"),
    "Unavailable": api.Unavailable("x", status=503),
    "RateLimited": api.RateLimited("x", status=429),
    "Unauthorized": api.Unauthorized("x", status=401),
    "KeyMissing": KeyMissing("There is none.", "Make one."),
    "KeyAway": KeyMissing("It does not answer.", "Wait.", passing=True),
    "Billing": api.PaymentRequired("x", kind="billing"),
    "SpendLimit": api.PaymentRequired("x", kind="spend_limit", period_end=NOW + 5000),
    "Forbidden": api.Forbidden("x", status=403),
    "NotFound": api.NotFound("x", status=404),
    "NotReady": api.NotReady("x", status=409),
    "Conflict": api.IdempotencyConflict("x", status=409),
    "ModelRetired": api.ModelRetired("x", status=410),
    "ModelUnknown": ModelUnknown(MODEL),
    "ProjectGone": ProjectGone("p"),
    "Rejected": api.Rejected("x", status=400),
    "SessionLost": api.SessionLost("x", status=403),
    "LinkExpired": api.LinkExpired("x", status=403),
    "BadDownload": api.BadDownload("x"),
    "UnsafeUrl": api.UnsafeUrl("x"),
    "TooLarge": api.TooLarge("x", limit=5),
    "Stopped": api.Stopped("x"),
    "Changed": Changed("x"),
    "OutboxGone": OutboxGone("x", "/out"),
    "out full": DiskTrouble("x", errno.ENOSPC),
    "out read-only": DiskTrouble("x", errno.EROFS),
    "out ill": DiskTrouble("x", errno.EIO),
    "out denied": DiskTrouble("x", errno.EACCES),
    "out frozen": DiskTrouble("x", errno.EPERM),
    "out a link": DiskTrouble("x", errno.ELOOP),
    "out a file": DiskTrouble("x", errno.ENOTDIR),
    "out bad name": DiskTrouble("x", errno.ENAMETOOLONG),
    "out odd name": DiskTrouble("x", errno.EINVAL),
    "out busy": DiskTrouble("x", errno.EBUSY),
    "no more files": DiskTrouble("x", errno.EMFILE),
    "out unheard": DiskTrouble("x", errno.EPROTO),
    "gone": FileNotFoundError(errno.ENOENT, "x"),
    "a link": OSError(errno.ELOOP, "x"),
    "denied": PermissionError(errno.EACCES, "x"),
    "share gone": OSError(errno.ESTALE, "x"),
    "share mute": OSError(errno.EIO, "x"),
    "busy": OSError(errno.ETXTBSY, "x"),
    "full": OSError(errno.ENOSPC, "x"),
    "unheard": OSError(errno.EPROTO, "x"),
    "own words": OSError("x"),
    "bug": ZeroDivisionError("x"),
}
# the first word is the reason's code; `=` in front stands for a stop of that code; "-" for a cell that can't be
TABLE: Final = """
error         queued         new            sending        paying         waiting        fetching
Unreachable   service_error  service_error  service_error  service_error  service_error  service_error
Ambiguous     service_error  service_error  service_error  service_error  service_error  service_error
Unavailable   service_error  service_error  service_error  service_error  service_error  service_error
RateLimited   rate_limited   rate_limited   rate_limited   rate_limited   rate_limited   rate_limited
Unauthorized  =auth          =auth          =auth          =auth          =auth          =auth
KeyMissing    =auth          =auth          =auth          =auth          =auth          =auth
KeyAway       key_away       key_away       key_away       key_away       key_away       key_away
Billing       =billing       =billing       =billing       =billing       +billing       +billing
SpendLimit    =spend_limit   =spend_limit   =spend_limit   =spend_limit   +spend_limit   +spend_limit
Forbidden     service_error  =forbidden     service_error  =forbidden     service_error  service_error
NotFound      service_error  service_error  new-project    service_error  service_error  service_error
NotReady      not_ready      not_ready      not_ready      not_ready      not_ready      not_ready
Conflict      -              -              -              !conflict      -              -
ModelRetired  !rejected      !rejected      !rejected      =model_retired !rejected      !rejected
ModelUnknown  -              -              -              =model_unknown -              -
ProjectGone   -              -              -              !not_found     -              -
Rejected      !rejected      !rejected      !rejected      !rejected      !rejected      !rejected
SessionLost   -              -              new-project    -              -              -
LinkExpired   -              -              -              -              -              at-once
BadDownload   -              -              -              -              -              at-once
UnsafeUrl     -              service_error  service_error  -              -              service_error
TooLarge      -              !too_large     -              -              -              -
Stopped       nothing        nothing        nothing        nothing        nothing        nothing
Changed       settle         settle         settle         -              -              -
OutboxGone    disk           disk           disk           disk           disk           disk
out full      disk           disk           disk           disk           disk           disk
out read-only disk           disk           disk           disk           disk           disk
out ill       disk           disk           disk           disk           disk           disk
out denied    no_right       no_right       no_right       no_right       no_right       no_right
out frozen    no_right       no_right       no_right       no_right       no_right       no_right
out a link    in_the_way     in_the_way     in_the_way     in_the_way     in_the_way     in_the_way
out a file    in_the_way     in_the_way     in_the_way     in_the_way     in_the_way     in_the_way
out bad name  in_the_way     in_the_way     in_the_way     in_the_way     in_the_way     in_the_way
out odd name  in_the_way     in_the_way     in_the_way     in_the_way     in_the_way     in_the_way
out busy      in_use         in_use         in_use         in_use         in_use         in_use
no more files disk           disk           disk           disk           disk           disk
out unheard   disk           disk           disk           disk           disk           disk
gone          settle         settle         settle         -              -              -
a link        settle         settle         settle         -              -              -
denied        unreadable     unreadable     unreadable     -              -              -
share gone    unreadable     unreadable     unreadable     -              -              -
share mute    unreadable     unreadable     unreadable     -              -              -
busy          in_use         in_use         in_use         in_use         in_use         in_use
full          disk           disk           disk           disk           disk           disk
unheard       disk           disk           disk           disk           disk           disk
own words     internal       internal       internal       internal       internal       internal
bug           internal       internal       internal       internal       internal       internal
"""


AWAY: Final = KeyMissing("It is silent.", "Wait.", passing=True)
REFUSED: Final = api.Forbidden("x", status=403)


def cells() -> list[tuple[str, str, str]]:
    lines = TABLE.strip().splitlines()
    columns = lines[0].split()[1:]
    assert columns == list(JOBS)
    found = []
    for line in lines[1:]:
        name, words = line[:14].strip(), line[14:].split()
        assert name in ERRORS
        found += [(name, column, word) for column, word in zip(columns, words, strict=True) if word != "-"]
    assert {name for name, _, _ in found} == set(ERRORS), "the whole family"
    return found


def code(outcome: Outcome) -> str | None:
    reason = outcome.changes.get("because")
    return reason.code if isinstance(reason, Because) else None


@pytest.mark.parametrize(("error", "where", "word"), cells())
def test_every_error_has_its_one_answer_in_every_state(error: str, where: str, word: str) -> None:
    job = JOBS[where]
    outcome = decide(ERRORS[error], job, NOW, key_works=True, current_model=MODEL)
    match word[0], word:
        case _, "nothing":
            assert outcome == Outcome(rest=True)
        case _, "settle":
            assert (outcome.changes["state"], code(outcome)) == (State.QUEUED, "changed")
            assert (outcome.changes["due_at"], outcome.changes["project_id"]) == (None, None)
            assert outcome.look_again
        case _, "new-project":
            assert (outcome.changes["state"], outcome.changes["project_id"]) == (State.UPLOADING, None)
        case _, "at-once":
            assert (code(outcome), outcome.changes["due_at"]) == ("service_error", NOW)
        case "!", _:
            held = word[1:] == "conflict"
            assert outcome.changes["state"] is (State.HELD if held else State.FAILED)
            assert code(outcome) == word[1:]
        case ("=" | "+"), _:
            assert outcome.stop is not None
            assert outcome.stop.because.code == word[1:]
            assert "state" not in outcome.changes
            assert outcome.changes["due_at"] == NOW + (15 if word[0] == "+" else 0)
        case _:
            assert code(outcome) == word
            assert "state" not in outcome.changes
            assert outcome.stop is None
            assert outcome.changes["due_at"] > NOW
            assert outcome.changes["parks"] >= (word != "key_away")
    if "state" in outcome.changes:
        after = outcome.changes["state"]
        assert after is job.state or after in TRANSITIONS[job.state]
    if job.paid:
        assert "project_id" not in outcome.changes, "what may be paid for keeps its project"


@pytest.mark.parametrize("where", JOBS)
def test_only_the_files_own_faults_fail_it(where: str) -> None:
    """Whatever may heal by itself, or is the account's, never ends a job."""
    for name, error in ERRORS.items():
        if name == "SessionLost" and where != "sending":
            continue
        outcome = decide(error, JOBS[where], NOW, key_works=True, current_model=MODEL)
        if outcome.changes.get("state") is State.FAILED:
            assert name in {"Rejected", "ModelRetired", "ProjectGone", "TooLarge", "SessionLost", "ModelUnknown"}


def test_a_reason_that_parks_is_of_the_kind_that_parks() -> None:
    for error, where, word in cells():
        outcome = decide(ERRORS[error], JOBS[where], NOW, key_works=True, current_model=MODEL)
        if word in REASONS and word != "internal":
            assert REASONS[code(outcome) or ""].kind is Kind.PARKED


def test_pauses_grow_from_15_seconds_to_an_hour() -> None:
    assert [pause(parks) for parks in range(10)] == [15, 60, 120, 240, 480, 960, 1800, 3600, 3600, 3600]


def test_a_parked_job_keeps_its_state_and_remembers_how_often() -> None:
    job = UPLOADING
    for parks, wait in enumerate([15, 60, 120]):
        outcome = decide(api.Unavailable("x"), job, NOW)
        assert outcome.changes == {
            "because": because("service_error", detail="x"), "due_at": NOW + wait, "parks": parks + 1}
        job = replace(job, parks=outcome.changes["parks"])


@pytest.mark.parametrize("error", [api.RateLimited("x", retry_after=77.0), api.Unavailable("x", retry_after=77.0)])
def test_what_the_service_asks_for_wins_over_the_pause(error: api.ApiError) -> None:
    assert decide(error, replace(UPLOADING, parks=5), NOW).changes["due_at"] == NOW + 77


def test_a_link_is_tried_again_at_once_and_then_with_pauses() -> None:
    job = JOBS["fetching"]
    due = []
    for _ in range(4):
        outcome = decide(api.LinkExpired("x"), job, NOW)
        due.append(outcome.changes["due_at"] - NOW)
        job = replace(job, parks=outcome.changes["parks"])
    assert due == [0, 60, 120, 240]


def test_a_lost_session_starts_over_at_once_and_then_with_pauses() -> None:
    job = JOBS["sending"]
    due = []
    for _ in range(4):
        outcome = decide(api.SessionLost("x"), job, NOW)
        due.append(outcome.changes["due_at"] - NOW)
        job = replace(job, parks=outcome.changes["parks"])
    assert due == [0, 15, 60, 120]


def test_a_paid_job_never_gets_a_second_project() -> None:
    with pytest.raises(AssertionError):
        new_project(PAID, NOW, "whatever")
    assert "project_id" not in decide(api.SessionLost("x"), PAID, NOW).changes


@pytest.mark.parametrize("where", JOBS)
def test_403_everywhere_means_the_key(where: str) -> None:
    outcome = decide(api.Forbidden("x"), JOBS[where], NOW, key_works=False)
    assert outcome.stop is not None
    assert (outcome.stop.scope, outcome.stop.because.code) == ("account", "auth")


@pytest.mark.parametrize("where", ["paying", "waiting", "fetching"])
def test_403_with_another_key_than_the_intents_holds_what_may_be_paid(where: str) -> None:
    outcome = decide(api.Forbidden("x"), JOBS[where], NOW, key_works=True, same_key=False)
    assert (outcome.changes["state"], code(outcome)) == (State.HELD, "account_changed")


def test_403_about_a_project_of_another_key_costs_a_new_one_while_nothing_is_paid() -> None:
    outcome = decide(api.Forbidden("x"), JOBS["sending"], NOW, key_works=True, same_key=False)
    assert outcome.stop is None, "it says nothing about the others"
    assert (outcome.changes["state"], outcome.changes["project_id"]) == (State.UPLOADING, None)


def test_the_end_of_a_spending_period_is_passed_on() -> None:
    outcome = decide(ERRORS["SpendLimit"], PAID, NOW)
    assert outcome.stop is not None
    assert outcome.stop.next_check_at == NOW + 5000


def test_a_model_that_is_no_longer_configured_fails_its_job_alone() -> None:
    outcome = decide(api.ModelRetired("x"), PAID, NOW, current_model="diffio-5")
    assert outcome.stop is None
    assert (outcome.changes["state"], code(outcome)) == (State.FAILED, "rejected")
    assert "goes on with diffio-5" in outcome.changes["because"].action


@pytest.mark.parametrize("current", ["diffio-5", None])
def test_a_model_that_is_not_to_be_had_has_one_next_step(current: str | None) -> None:
    """A plain retry goes on with the inbox's model of now; where no inbox names one, there is still another one."""
    reason = decide(api.ModelRetired("x"), PAID, NOW, current_model=current).changes["because"]
    assert "retry" not in reason.message
    assert reason.action.count("retry") == 1
    command = f"retry {PAID.id}`" if current else f"--model {models()[1]} {PAID.id}`"  # the first is the refused one
    assert command in reason.action


@pytest.mark.parametrize("code", ["auth", "not_ready", "service_error", "rejected"])
def test_no_reason_ends_in_two_full_stops(code: str) -> None:
    for detail in ("It ends.", KeyMissing("It ends.", "So it does."), api.NotReady("It ends.")):
        assert because(code, detail=detail).message.count("..") == 0


def test_a_key_that_is_none_is_not_said_to_be_refused_by_a_service_that_was_not_asked() -> None:
    outcome = decide(KeyMissing("What /key holds is not an API key.", "Put the key there alone."), PAID, NOW)
    assert outcome.stop is not None
    assert "service" not in outcome.stop.because.message


def test_a_key_whose_disk_is_silent_is_waited_for_and_that_is_no_answer_of_the_service() -> None:
    """Or it would count as one where answers are counted."""
    job = JOBS["sending"]
    for error in (AWAY, AWAY, AWAY, REFUSED, AWAY, REFUSED, AWAY):
        outcome = decide(error, job, NOW, key_works=True)
        assert "project_id" not in outcome.changes
        job = job.changed(**outcome.changes)
    assert job.parks == 2
    assert decide(REFUSED, job, NOW, key_works=True).changes["project_id"] is None


def test_this_programs_own_errors_are_tried_five_times() -> None:
    job = UPLOADING
    for _ in range(INTERNAL_TRIES - 1):
        outcome = decide(ZeroDivisionError("x"), job, NOW)
        assert "state" not in outcome.changes
        job = replace(job, parks=outcome.changes["parks"], because=outcome.changes["because"])
    outcome = decide(ZeroDivisionError("x"), job, NOW)
    assert (outcome.changes["state"], code(outcome)) == (State.FAILED, "internal")


def test_earlier_parks_for_other_reasons_do_not_count_as_own_errors() -> None:
    job = replace(UPLOADING, parks=20, because=because("service_error", detail="x"))
    assert "state" not in decide(ZeroDivisionError("x"), job, NOW).changes


def test_rejections_tell_the_services_words_and_code() -> None:
    outcome = decide(api.Rejected("too long", status=400, code="bad_length"), UPLOADING, NOW)
    assert "too long (bad_length)" in outcome.changes["because"].message


def test_every_open_state_has_a_row_of_its_own() -> None:
    assert {job.state for job in JOBS.values()} == OPEN


@pytest.mark.parametrize(("count", "text"), [
    (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB"),
    (5 << 40, "5120.0 GiB")])
def test_sizes_read_well(count: int, text: str) -> None:
    assert size(count) == text


def test_a_park_may_be_told_its_delay() -> None:
    assert park(UPLOADING, NOW, because("rate_limited"), delay=3).changes["due_at"] == NOW + 3


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_what_the_system_says_is_never_an_error_of_this_program_and_has_its_own_next_step(number: int) -> None:
    for error in (OSError(number, "x"), DiskTrouble("x", number)):
        for job in JOBS.values():
            reason = decide(error, job, NOW).changes["because"]
            assert reason.code != "internal"
            room = reason.action.startswith("Make room")
            assert not room or number not in {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EBUSY}


def test_a_forbidden_generation_blames_the_model_only_where_the_key_sees_the_project() -> None:
    forbidden = api.Forbidden("x", status=403)
    assert decide(forbidden, PAID, NOW, key_works=True, sees_project=True).stop is not None
    alone = decide(forbidden, PAID, NOW, key_works=True, sees_project=False)
    assert alone.stop is None
    assert alone.changes["because"].code == "service_error"


def test_a_forbidden_upload_is_tried_again_and_then_starts_over() -> None:
    sending = JOBS["sending"]
    first = decide(api.Forbidden("x", status=403), sending, NOW, key_works=True)
    assert "project_id" not in first.changes
    later = decide(api.Forbidden("x", status=403), replace(sending, parks=2), NOW, key_works=True)
    assert later.changes["project_id"] is None
    assert later.changes["due_at"] > NOW


def test_what_the_system_says_names_the_file_it_is_about() -> None:
    outcome = decide(OSError(errno.EACCES, "Permission denied", "/state/sessions/01J.json\udcff"), JOBS["new"], NOW)
    assert "Permission denied (/state/sessions/01J.json\\xff)" in outcome.changes["because"].message
