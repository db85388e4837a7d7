"""A click does what its button said when it was shown: those jobs, for that reason, at most that money, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from report_house import NOON, House

from diffio_watch.job import Media, State
from diffio_watch.journal import Answer, Halt
from diffio_watch.media.length import minutes
from diffio_watch.pipeline import command_queue
from diffio_watch.reasons import because
from diffio_watch.report import rows, scene, screen
from diffio_watch.report.memory import Memory
from diffio_watch.report.shapes import Shape


def lasting(seconds: float) -> dict[str, Any]:
    return {"media": Media("Wave", seconds, has_video=False), "size": int(seconds * 176_400)}


def look(house: House, memory: Memory | None = None) -> Shape:
    found = scene.read(house.config, house.journal, memory)
    return screen.screen(house.config, replace(found, facts=replace(found.facts, pid=1)), house.pace, memory)


def button(shown: Shape, number: int = 0) -> Shape:
    offers: list[Shape] = [one for card in shown["needs"] for one in card["offers"]]
    return offers[number]


def click(house: House, offer: Shape) -> Answer:
    number = house.journal.requests.ask(offer["command"], {"jobs": [], **offer["args"]})
    while (answer := house.journal.requests.answer_of(number)) is None:
        command_queue.serve(house.journal, house.config, house.clock.now())
    return answer


def test_a_look_at_a_stop_leaves_the_pause_that_stands_beside_it(house: House) -> None:
    house.add("a.wav", "b.wav", state=State.QUEUED, **lasting(3600))
    house.journal.halts.pause("*")
    house.journal.halts.set(Halt("account", because("auth", detail="x"), NOON, NOON + 900))
    again, go_on = button(look(house)), button(look(house), 1)
    assert (again["label"], go_on["label"]) == ("Look again now, free", "Go on: 2, buys at least about 2 h")
    assert click(house, again).exit == 0
    assert list(house.journal.halts.pauses()) == ["*"]
    assert house.journal.halts.all()["account"].next_check_at == house.clock.now()


def test_a_look_at_a_stop_says_what_is_bought_if_it_is_over(house: House) -> None:
    house.add("a.wav", "b.wav", state=State.QUEUED, **lasting(3600))
    house.journal.halts.set(Halt("account", because("billing", detail="x"), NOON, NOON + 900))
    again = button(look(house))
    assert again["label"] == "Look again now: 2, and if it is over, buys at least about 2 h"
    assert again["cost"] | {"words": ""} == {"free": False, "files": 2, "minutes": 120.0, "words": ""}


def test_what_only_fetches_is_looked_at_for_free(house: House) -> None:
    house.add("a.wav", state=State.QUEUED, **lasting(3600))
    house.journal.halts.set(Halt("origin:storage:https://x", because("service_down", origin="x", detail="y"), NOON,
                                 NOON + 9))
    assert button(look(house))["label"] == "Look again now, free"


def test_a_pause_and_a_stop_of_one_inbox_are_both_shown_each_with_its_own_button(house: House) -> None:
    house.add("a.wav", "b.wav", state=State.QUEUED, **lasting(3600))
    house.journal.halts.pause("podcasts")
    house.journal.halts.set(Halt("inbox:podcasts:outbox", because("outbox_full", free="1", limit="2"), NOON, NOON + 60))
    house.journal.halts.set(Halt("account", because("billing", detail="x"), NOON, NOON + 900))
    shown = look(house)
    assert [one["key"] for one in shown["needs"]] == [
        "stopped:::billing", "stopped:podcasts::outbox_full", "stopped:podcasts::paused"]
    click(house, button(shown, 1))
    halts = house.journal.halts.all()
    assert list(house.journal.halts.pauses()) == ["podcasts"]
    assert (halts["inbox:podcasts:outbox"].next_check_at, halts["account"].next_check_at) == (NOON, NOON + 900)


def test_the_end_of_a_pause_has_no_other_stop_looked_at(house: House) -> None:
    """What another inbox would buy after it stands on no button."""
    house.journal.halts.pause("podcasts")
    house.journal.halts.set(Halt("account", because("billing", detail="x"), NOON, NOON + 900))
    click(house, button(look(house), 1))
    assert house.journal.halts.pauses() == {}
    assert house.journal.halts.all()["account"].next_check_at == NOON + 900


def test_a_stop_that_is_over_is_not_looked_at(house: House) -> None:
    house.journal.halts.set(Halt("account", because("billing", detail="x"), NOON, NOON + 900))
    shown = look(house)
    house.journal.halts.clear("account")
    house.journal.halts.pause("*")
    assert "over already" in click(house, button(shown)).lines[0]
    assert list(house.journal.halts.pauses()) == ["*"]


@pytest.mark.parametrize("where", ["*", "podcasts"])
def test_a_later_pause_is_not_ended_by_a_button_from_before(house: House, where: str) -> None:
    house.journal.halts.pause(where)
    shown = look(house)
    click(house, button(shown))
    assert house.journal.halts.pauses() == {}
    house.clock.at += 60
    house.journal.halts.pause(where)
    assert "somebody has paused again" in click(house, button(shown)).lines[0]
    assert list(house.journal.halts.pauses()) == [where]


def test_the_second_tab_ends_a_pause_with_the_same_words(house: House) -> None:
    house.add("a.wav", state=State.QUEUED, **lasting(3600))
    service = look(house)["service"]
    assert [service["offers"][0]["label"], service["inboxes"][0]["offers"][0]["label"]] == ["Pause everything", "Pause"]
    house.journal.halts.pause("podcasts")
    service = look(house)["service"]
    [go_on] = service["inboxes"][0]["offers"]
    assert go_on["label"] == "Go on: 1, buys at least about 1 h"
    house.journal.halts.pause("*")
    service = look(house)["service"]
    assert service["inboxes"][0]["offers"] == []  # refused, while everything is paused
    assert service["offers"][0]["label"] == "Go on: 1, buys at least about 1 h"


def test_a_button_of_very_many_is_about_those_that_it_counts(house: House) -> None:
    """Groups of thousands are shown for some seconds, and a running drop goes on in them."""
    memory = Memory()
    house.add(*(f"{n}.wav" for n in range(2001)), state=State.HELD, code="drop_size", **lasting(60))
    before = button(look(house, memory))
    house.clock.at += 1
    house.add(*(f"new {n}.wav" for n in range(100)), state=State.HELD, code="drop_size", **lasting(36_000))
    house.clock.at += 1
    after = button(look(house, memory))
    assert (after["label"], after["args"]) == (before["label"], before["args"])
    assert click(house, after).changed == 2001
    assert house.journal.totals.by_state()[State.HELD] == 100


def test_the_sum_is_over_all_of_a_group(house: House) -> None:
    house.add(*(f"long {n}.wav" for n in range(300)), state=State.HELD, code="drop_size", **lasting(3 * 3600))
    house.add(*(f"short {n}.wav" for n in range(60)), state=State.HELD, code="drop_size", **lasting(30))
    assert button(look(house))["label"] == "Approve 360, buys about 901 h"


def test_the_sum_is_made_anew_whenever_another_comes_into_the_group(house: House) -> None:
    memory = Memory()
    [big] = house.add("big.wav", state=State.QUEUED, **lasting(36_000))
    one, _ = house.add("1.wav", "2.wav", state=State.HELD, code="daily_limit", **lasting(60))
    assert button(look(house, memory))["label"] == "Approve 2, buys about 2 min"
    house.journal.jobs.commit(one, state=State.CANCELLED, because=None)
    house.journal.jobs.commit(big, state=State.HELD, because=because("daily_limit", job="J"))
    assert button(look(house, memory))["label"] == "Approve 2, buys about 10 h"


def test_what_became_dearer_since_is_not_bought(house: House) -> None:
    """Its length became known, and nothing else of it changed."""
    short, long = house.add("a.wav", "b.wav", state=State.HELD, code="daily_limit", **lasting(60))
    shown = button(look(house))
    house.journal.jobs.commit(long, **lasting(36_000))
    answer = click(house, shown)
    assert (answer.exit, answer.changed) == (1, 1)
    assert "would cost more than was shown" in answer.lines[-1]
    assert [house.job(one.id).state for one in (short, long)] == [State.QUEUED, State.HELD]
    assert click(house, button(look(house))).changed == 1


def test_what_was_asked_of_another_journal_does_nothing(house: House) -> None:
    """It was rebuilt, or an older copy put back: its lines count from the beginning again."""
    house.add("a.wav", state=State.HELD, code="daily_limit", **lasting(60))
    shown = button(look(house))
    shown["args"]["query"]["seen"] += 10
    assert (click(house, shown).exit, house.journal.totals.by_state()[State.HELD]) == (1, 1)


def dialog(house: House, job_id: str) -> list[Shape]:
    job, seen = house.job(job_id), house.journal.overview.last_line()
    offers: list[Shape] = rows.whole(job, [], None, seen=seen)["offers"]
    return offers


def test_a_dialog_that_was_open_while_its_reason_changed_does_nothing(house: House) -> None:
    """Approving what a limit held is no word about what may have been paid for already."""
    [job] = house.add("a.wav", state=State.HELD, code="drop_size", **lasting(60))
    [approve, _] = dialog(house, job.id)
    house.journal.jobs.commit(house.job(job.id), because=because("unproven", detail="x", job=job.id))
    assert click(house, approve).changed == 0
    assert (house.job(job.id).state, house.job(job.id).rebuy) == (State.HELD, False)
    assert click(house, dialog(house, job.id)[0]).changed == 1


def test_a_dialog_that_was_open_while_the_same_happened_again_does_nothing(house: House) -> None:
    [job] = house.add("a.wav", state=State.HELD, code="daily_limit", **lasting(60))
    [approve, _] = dialog(house, job.id)
    assert click(house, approve).changed == 1
    house.journal.jobs.commit(house.job(job.id), state=State.HELD, because=job.because)
    assert click(house, approve).changed == 0


@pytest.mark.parametrize(("media", "size"), [
    (None, 100_000), (None, 900_000_000), (Media("Wave", 90.5, has_video=False), 16_000_000),
    (Media("Wave", None, has_video=False), 9_000_000), (Media("MPEG-4", None, has_video=True), 90_000_000),
    (Media("Wave", -3.0, has_video=False), 9_000_000), (Media("FLAC", 1e18, has_video=False), 9_000_000),
    (Media("Wave", float("inf"), has_video=False), 9_000_000)])
def test_the_journal_adds_up_what_a_purchase_counts(house: House, media: Media | None, size: int) -> None:
    [job] = house.add("a.wav", state=State.HELD, code="daily_limit", media=media, size=size)
    [group] = house.journal.overview.groups()
    assert group.minutes == group.unbought_minutes == pytest.approx(minutes(job))
    house.journal.jobs.commit(house.job(job.id), state=State.QUEUED, because=None)
    [(key, (count, asks))] = house.journal.totals.unpaid().items()
    assert (key, count) == (("podcasts", State.QUEUED), 1)
    assert asks == pytest.approx(minutes(job))


def test_a_dialogs_button_is_about_its_recording_alone(house: House) -> None:
    job, other = house.add("a.wav", "b.wav", state=State.HELD, code="daily_limit", **lasting(60))
    assert click(house, dialog(house, job.id)[0]).changed == 1
    assert (house.job(job.id).state, house.job(other.id).state) == (State.QUEUED, State.HELD)
