"""What a button says that it costs is what it costs: each offer of each reason is made, and the service's bill read."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.job import Job, Media, State
from diffio_watch.journal import Answer, Halt
from diffio_watch.journal.records import SettlingEntry, Still
from diffio_watch.pipeline import command_queue
from diffio_watch.pipeline.commands import request_body
from diffio_watch.reasons import REASONS, Kind, because
from diffio_watch.report import offers, rows, scene, screen
from diffio_watch.report.pace import Pace
from diffio_watch.report.shapes import Shape
from diffio_watch.report.standing import Standing

_MINUTES = 61 / 60  # what two of them cost is no whole number, and a little more than the one that is shown
# how far a job is for which a reason can be given: nothing sent; uploaded; asked for, and no answer known; bought
_NOTHING, _UPLOADED, _ASKED, _BOUGHT = "nothing", "uploaded", "asked", "bought"
_STAGES = {
    "empty": [_NOTHING], "too_large": [_NOTHING], "not_media": [_NOTHING], "no_sound": [_NOTHING],
    "truncated": [_NOTHING], "rejected": [_NOTHING, _UPLOADED], "generation_failed": [_BOUGHT], "gave_up": [_BOUGHT],
    "not_found": [_BOUGHT, _NOTHING], "output_unavailable": [_BOUGHT],
    "internal": [_NOTHING, _UPLOADED, _ASKED, _BOUGHT],
    "daily_limit": [_NOTHING, _UPLOADED], "drop_size": [_NOTHING], "unproven": [_NOTHING],
    "account_changed": [_BOUGHT, _ASKED], "conflict": [_ASKED], "duplicate_gone": [_NOTHING],
    # parked
    "unreadable": [_NOTHING], "in_use": [_NOTHING], "too_slow": [_NOTHING], "disk": [_BOUGHT, _NOTHING],
    "no_right": [_BOUGHT, _NOTHING], "in_the_way": [_BOUGHT, _NOTHING], "other_service": [_NOTHING, _BOUGHT],
}


def _at(house: House, stage: str, path: str) -> Job:
    """A job of a recording that is there, as far as the stage says, by the pipeline's own steps."""
    job = house.job(house.drop(path, os.urandom(1000), media=Media("FLAC", 60 * _MINUTES, has_video=False)))
    if stage != _NOTHING:
        house.worker.drive(job, (State.QUEUED, State.UPLOADING, State.GENERATING))
        job = house.job(job.id)
    if stage in {_UPLOADED, _ASKED}:  # as if nothing had been bought
        assert job.project_id is not None
        asked = {"idempotency_key": job.id, "intent_at": 1.0,
                 "body": request_body(job.project_id, job.id, job.settings)}
        none = {"idempotency_key": None, "body": None, "intent_at": None, "minutes": None}
        job = house.journal.restore.learn(
            replace(job, state=State.GENERATING, generation_id=None, generated_at=None, model_key=None,
                    **asked if stage == _ASKED else none), "")
    assert (job.uploaded, job.paid, job.generation_id is not None) == {
        _NOTHING: (False, False, False), _UPLOADED: (True, False, False), _ASKED: (True, True, False),
        _BOUGHT: (True, True, True)}[stage]
    return job


def _stopped(house: House, job: Job, code: str) -> Job:
    kind = REASONS[code].kind
    why = because(code, job=job.id, inbox=job.inbox, project=job.project_id, detail="it is so")
    if kind is Kind.PARKED:
        return house.journal.jobs.commit(job, because=why, due_at=house.clock.now() + 86_400)
    return house.journal.jobs.commit(job, because=why, due_at=None,
                                     state=State.HELD if kind is Kind.HELD else State.FAILED)


def _groups(house: House) -> list[Shape]:
    found = scene.read(house.tools.config, house.journal)
    found = replace(found, facts=replace(found.facts, pid=1))
    needs: list[Shape] = screen.screen(house.tools.config, found, Pace())["needs"]
    return needs


def _bought(house: House) -> int:
    return len(house.service.generations())


@pytest.mark.parametrize(("code", "stage", "offer"), [
    (code, stage, way.id) for code, stages in _STAGES.items() for stage in stages
    for way in offers.of_jobs({Kind.HELD: "held", Kind.FAILED: "failed"}.get(REASONS[code].kind, "waiting"), code)])
def test_a_button_buys_what_it_says_and_never_more(house: House, code: str, stage: str, offer: str) -> None:
    for path in ("a.wav", "b.wav"):
        _stopped(house, _at(house, stage, path), code)
    [group] = _groups(house)
    assert (group["code"], group["count"]) == (code, 2)
    button = next(one for one in group["offers"] if one["id"] == offer)
    cost = button["cost"]
    before = _bought(house)
    answer = house.ask(button["command"], **button["args"])
    house.run(3600)
    bought = _bought(house) - before
    assert bought <= cost["files"]
    assert cost["free"] is (cost["files"] == 0)
    if cost["free"]:
        assert (bought, cost["words"]) == (0, "free")
    else:
        assert cost["minutes"] == pytest.approx(cost["files"] * _MINUTES, abs=0.1)
        most = "at most " if "at most" in cost["words"] else ""
        assert cost["words"] == f"buys {most}about 2 min"
        if not most and answer.exit == 0:
            assert bought == cost["files"], answer
    assert button["label"].endswith(cost["words"])
    # a second click does nothing
    assert house.ask(button["command"], **button["args"]).changed == 0
    house.run(60)
    assert _bought(house) - before == bought


def test_each_reason_that_a_person_can_decide_about_is_in_this_table() -> None:
    assert set(_STAGES) == {code for code, row in REASONS.items() if row.kind in {Kind.HELD, Kind.FAILED} or (
        row.kind is Kind.PARKED and not row.action.startswith("Nothing"))}


def _click(house: House, button: Shape) -> Answer:
    return house.ask(button["command"], **button["args"])


# what stops the next step of jobs, and the label of the button that ends it
_STOPS: dict[str, Callable[[House], None]] = {
    "pause of all": lambda house: house.journal.halts.pause("*"),
    "pause": lambda house: house.journal.halts.pause("podcasts"),
    "account": lambda house: _halt(house, "account", "billing"),
    "key": lambda house: _halt(house, "account", "auth"),
    "outbox": lambda house: _halt(house, "inbox:podcasts:outbox", "outbox_full"),
    "model": lambda house: _halt(house, "inbox:podcasts:model", "model_unknown"),
}


def _halt(house: House, scope: str, code: str) -> None:
    house.journal.halts.set(Halt(scope, because(code, inbox="podcasts", detail="it is so"), house.clock.now(),
                                 house.clock.now() + 86_400))
    house.halts.reload()


@pytest.mark.parametrize("stop", _STOPS)
@pytest.mark.parametrize("stage", [_NOTHING, _UPLOADED, _ASKED, _BOUGHT])
def test_the_button_of_a_stop_says_what_goes_on_with_it(house: House, stop: str, stage: str) -> None:
    """What was asked for is bought already, for all that anybody knows; new files may come after any of them."""
    for path in ("a.wav", "b.wav"):
        _at(house, stage, path)
    _STOPS[stop](house)
    [group] = _groups(house)
    [button] = group["offers"]
    cost, before = button["cost"], _bought(house)
    _click(house, button)
    house.run(3600)
    bought = _bought(house) - before
    assert bought <= cost["files"] or stage == _ASKED
    nothing = "buys what comes from now on" if "pause" in stop else "free"
    assert button["label"].endswith("buys at least about 2 min" if cost["files"] else nothing)
    assert cost["free"] is button["label"].endswith("free")
    if "pause" in stop and stage != _ASKED:
        assert bought == cost["files"]


@pytest.mark.parametrize("lengths", [
    [0.2], [59.9], [300.0], [301.0], [302.0], [303.0], [304.0], [330.0], [3601.3], [60.6, 60.6, 181.9], [None],
    [None, 302.0]])
@pytest.mark.parametrize("offer", ["approve", "fresh"])
def test_what_a_button_says_is_enough_for_the_recordings_that_it_is_about(
        house: House, offer: str, lengths: list[float | None]) -> None:
    """Whatever fraction of a minute they last: what is shown is rounded, what may be bought is no less than that."""
    code = "daily_limit" if offer == "approve" else "generation_failed"
    for number, seconds in enumerate(lengths):
        media = Media("FLAC", seconds, has_video=False)  # of which so many bytes can last an hour
        _stopped(house, house.job(house.drop(f"{number}.wav", os.urandom(50_000), media=media)), code)
    seen = house.journal.overview.last_line()
    alone = [one for job in house.journal.jobs.newest() for one in
             Standing(house.journal).whole(house.tools.config, job, seen)["offers"]]
    for button in [*_groups(house)[0]["offers"], *alone]:
        if button["id"] == offer:
            answer = _tried(house, house.journal.requests.ask(button["command"], button["args"]))
            assert answer.exit == 0, answer.lines


@pytest.mark.parametrize(("offer", "rest", "buys"), [
    ("approve", 4, 4), ("approve", 2, 6), ("cancel", 4, 0), ("cancel", 1, 0)])
@pytest.mark.parametrize("alone", [False, True])
def test_a_button_of_a_drop_is_about_what_is_there_and_tells_that_more_comes(
        make_house: MakeHouse, offer: str, rest: int, buys: int, *, alone: bool) -> None:
    """What is still being copied is bought as any few files are, and asked about where it is much, or left out."""
    house = make_house(limits={"approve_over_files": 3})
    seen_at, media = house.clock.now(), Media("Wave", 60.0, has_video=False)
    held = [house.drop(f"{number}.wav", media=media, coming=[seen_at] * rest) for number in range(4)]
    late = [f"late {number}.wav" for number in range(rest)]
    house.journal.inboxes.settling("podcasts", [
        SettlingEntry(path, because("settling", seconds="2"), seen_at, None, Still(1, 1, seen_at)) for path in late])
    house.clock.advance(1)
    if alone:
        seen, standing = house.journal.overview.last_line(), Standing(house.journal)
        buttons = [standing.whole(house.tools.config, house.job(job), seen)["offers"] for job in held]
    else:
        buttons = [_groups(house)[0]["offers"]]
    those = [one for some in buttons for one in some if one["id"] == offer]
    at_least = "buys at least about" if offer == "approve" else "free"
    assert all(at_least in one["label"] for one in those)
    for button in those:
        _click(house, button)
    house.clock.advance(1)
    for number, path in enumerate(late):
        house.drop(path, media=media, seen_at=seen_at, coming=[seen_at] * (rest - number - 1))
    house.run(3600)
    assert _bought(house) == buys
    waits = [] if buys == 6 else [("drop_size", rest)]
    assert [(group["code"], group["count"]) for group in _groups(house)] == waits


@pytest.mark.parametrize("alone", [False, True])
def test_what_is_left_out_says_that_a_copy_goes_on_in_its_place(house: House, alone: bool) -> None:
    content, media = os.urandom(4000), Media("FLAC", 60 * _MINUTES, has_video=False)
    job = _stopped(house, house.job(house.drop("a.wav", content, media=media, read=True)), "daily_limit")
    house.drop("b.wav", content, media=media)
    house.run(60)
    before = _bought(house)
    shown = (rows.whole(job, [], None, seen=house.journal.overview.last_line(),
                        copies=house.journal.overview.copies("podcasts")) if alone else _groups(house)[0])
    leave = shown["offers"][1]
    assert leave["cost"]["words"] == "buys at most about 1 min of copies that wait for it"
    _click(house, leave)
    house.run(3600)
    assert _bought(house) - before == leave["cost"]["files"] == 1


def test_a_failed_recording_that_was_restored_anew_is_not_bought_again_by_another_dialog(house: House) -> None:
    """Two editors had the details open."""
    job = _stopped(house, _at(house, _BOUGHT, "a.wav"), "generation_failed")
    before = _bought(house)
    dialog = rows.whole(job, [], None, seen=house.journal.overview.last_line())["offers"]
    assert dialog[0]["id"] == "fresh"
    _click(house, dialog[0])
    house.run(3600)
    assert [one.state for one in house.journal.jobs.at("podcasts", "a.wav")] == [State.DELIVERED, State.FAILED]
    assert "Nothing of this is left to do" in _click(house, dialog[0]).lines[0]
    house.run(3600)
    assert _bought(house) - before == 1


class _Undone(Exception):
    pass


def _tried(house: House, number: int) -> Answer:
    """The answer to a request, of which nothing is left to be seen."""
    answer = None
    with suppress(_Undone), house.journal.transaction() as db:
        command_queue.serve(house.journal, house.tools.config, house.clock.now())
        answer = house.journal.requests.answer_of(number)
        raise _Undone
    with house.journal.transaction() as db:
        db.execute("DELETE FROM requests")
    assert answer is not None
    return answer


def test_an_offer_is_never_one_that_is_refused(house: House) -> None:
    """A button that only answers why it can't be is none."""
    told: dict[str, Any] = {}
    for code, stages in _STAGES.items():
        for stage in stages:
            _stopped(house, _at(house, stage, f"{code}-{stage}.wav"), code)
    for group in _groups(house):
        for button in group["offers"]:
            number = house.journal.requests.ask(button["command"], button["args"])
            told[f"{group['code']}: {button['id']}"] = _tried(house, number)
    assert {name: answer.lines for name, answer in told.items() if answer.exit} == {}
