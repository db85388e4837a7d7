"""What is asked about all jobs of a kind: counted and done by the daemon, and never about more than was looked at."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from pipeline_house import House

from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.pipeline import command_queue
from diffio_watch.reasons import because


def fill(house: House, count: int, *, code: str = "output_unavailable", state: State = State.FAILED, first: int = 0,
         **facts: Any) -> list[Job]:
    """Jobs that are where they are for one reason, each with its generation."""
    facts = dict[str, Any](generation_id="g", project_id="p", uploaded=True, intent_at=1.0, due_at=None,
                           completed_at=2.0, base_url=house.tools.config.api.base_url) | facts
    jobs = [replace(Job(new_id(), "podcasts", f"{number}.wav", 3, 7, Settings(), state=state,
                        because=because(code, job="x")), **facts) for number in range(first, first + count)]
    house.journal.jobs.add(jobs)
    return jobs


def query(house: House, code: str = "output_unavailable", state: str = "failed", **more: Any) -> dict[str, Any]:
    return {"state": state, "reason": code, "inbox": "podcasts", "seen": house.journal.overview.last_line()} | more


def states(house: House) -> dict[str, int]:
    return {state.value: count for state, count in house.journal.totals.by_state().items() if count}


def test_a_group_is_one_request_and_one_answer(house: House) -> None:
    fill(house, 214)
    fill(house, 3, code="empty", first=300)
    answer = house.ask("retry", query=query(house))
    assert (answer.exit, answer.lines, answer.changed) == (0, ("Done for 214 jobs.",), 214)
    assert states(house) == {"downloading": 214, "failed": 3}


def test_few_are_named_as_the_command_names_them(house: House) -> None:
    fill(house, 2)
    assert house.ask("retry", query=query(house)).lines == (
        "podcasts:0.wav fetches its outputs again.", "podcasts:1.wav fetches its outputs again.")


def test_a_click_on_the_page_is_answered_in_an_editors_words(house: House) -> None:
    """Counted, and without ids, models and commands; whoever types a command is answered as ever."""
    def clicked(command: str, **args: Any) -> tuple[str, ...]:
        number = house.journal.requests.ask(command, args, "the page, from 192.0.2.7")
        command_queue.serve(house.journal, house.tools.config, 1.0)
        answer = house.journal.requests.answer_of(number)
        assert answer is not None
        return answer.lines

    fill(house, 214)
    assert clicked("retry", query=query(house)) == ("214 recordings are tried again.",)
    fill(house, 1, code="empty", first=300, generation_id=None, uploaded=False, intent_at=None)
    assert clicked("cancel", query=query(house, "empty")) == ("1 recording is left out.",)
    fill(house, 45, code="drop_size", state=State.HELD, first=400, generation_id=None, uploaded=False)
    assert clicked("approve", query=query(house, "drop_size", "held")) == ("45 recordings go on.",)
    fill(house, 1, code="generation_failed", first=500)
    assert clicked("retry", query=query(house, "generation_failed")) == (
        "500.wav has nothing left to go on from: the generation is lost (generation_failed). Ask your administrator.",)
    assert clicked("pause", inbox=None) == ("Paused: every inbox. What is paid for is still fetched.",)
    assert clicked("resume", inbox=None) == ("Goes on: every inbox.",)
    assert "`diffio-watch resume` goes on" in house.ask("pause").lines[0]


def test_a_second_click_does_nothing(house: House) -> None:
    fill(house, 30)
    clicked = query(house)
    house.ask("retry", query=clicked)
    before = states(house)
    second = house.ask("retry", query=clicked)
    assert (second.exit, second.changed, states(house)) == (0, 0, before)
    assert "Nothing of this is left to do" in second.lines[0]


def test_what_came_after_the_look_is_not_bought(house: House) -> None:
    fill(house, 3, code="daily_limit", state=State.HELD, generation_id=None, uploaded=False)
    looked = query(house, "daily_limit", "held")
    fill(house, 5, code="daily_limit", state=State.HELD, first=10, generation_id=None, uploaded=False)
    assert house.ask("approve", query=looked).changed == 3
    assert states(house)["held"] == 5


def test_what_came_back_into_the_group_after_the_look_is_not_done_again(house: House) -> None:
    """It was tried, and failed again: that was on no screen yet."""
    [job] = fill(house, 1)
    looked = query(house)
    house.ask("retry", query=looked)
    house.journal.jobs.commit(house.job(job.id), state=State.FAILED, because=job.because, due_at=None)
    assert house.ask("retry", query=looked).changed == 0
    assert house.ask("retry", query=query(house)).changed == 1


def test_what_was_made_good_is_in_no_group(house: House) -> None:
    fill(house, 2)
    fill(house, 1, state=State.DELIVERED, run=2)
    assert house.ask("retry", query=query(house)).changed == 1


def test_those_that_are_refused_are_named_up_to_twenty(house: House) -> None:
    fill(house, 130, code="generation_failed")
    answer = house.ask("retry", query=query(house, "generation_failed"))
    assert (answer.exit, len(answer.lines), answer.lines[-1]) == (1, 21, "… and 110 more.")
    assert "--fresh" in answer.lines[0]


def test_a_group_lets_others_in_between_and_goes_on_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred a transaction; what one call has no time for is done by the next, and nothing twice."""
    fill(house, 350)
    number = house.journal.requests.ask("retry", {"query": query(house)}, "Ada")
    monkeypatch.setattr(command_queue, "_SLICE", 0.0)  # no time at all: each call does one part
    left = []
    while (answer := house.journal.requests.answer_of(number)) is None:
        command_queue.serve(house.journal, house.tools.config, 1.0)
        left.append(states(house).get("failed", 0))
    assert left == [250, 150, 50, 0]
    assert (answer.lines, answer.changed) == (("Done for 350 jobs.",), 350)
    assert [event.detail for event in house.journal.jobs.history(house.journal.jobs.at("podcasts", "349.wav")[0].id)
            ][-1] == "retry: asked by Ada"


def test_a_request_that_was_broken_off_is_done_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program dies in the middle: what is done stands, and the rest is done by the next run."""
    fill(house, 250)
    number = house.journal.requests.ask("retry", {"query": query(house)})
    real = house.journal.requests.answer

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(house.journal.requests, "answer", dies)
    with pytest.raises(KeyboardInterrupt):
        command_queue.serve(house.journal, house.tools.config, 1.0)
    assert states(house) == {"downloading": 200, "failed": 50}
    monkeypatch.setattr(house.journal.requests, "answer", real)
    house.restart()
    command_queue.serve(house.journal, house.tools.config, 1.0)
    answer = house.journal.requests.answer_of(number)
    assert answer is not None
    assert (answer.changed, answer.lines) == (250, ("Done for 250 jobs.",))


def test_a_held_drop_that_is_approved_as_a_group_is_over(house: House) -> None:
    for number in range(3):
        house.drop(f"{number}.wav", os.urandom(4000))
    for job in house.journal.jobs.newest():
        house.journal.jobs.commit(job, state=State.HELD, because=because("drop_size", limit=2, inbox="podcasts"),
                                  due_at=None)
    answer = house.ask("approve", query=query(house, "drop_size", "held"))
    assert answer.changed == 3
    assert all(job.released and job.state is State.QUEUED for job in house.journal.jobs.newest())
    assert house.journal.drops.last_word("podcasts") == house.clock.now()


@pytest.mark.parametrize(("command", "becomes"), [("cancel", State.HELD), ("approve", State.QUEUED)])
def test_a_word_about_a_drop_that_takes_several_steps_is_about_all_of_it(
        house: House, command: str, becomes: State) -> None:
    """Its first files and its last were seen an hour apart; the last step finds none of it any more."""
    began = house.clock.now()
    house.clock.advance(3600)
    for number in range(200):
        fill(house, 1, code="drop_size", state=State.HELD, first=number, generation_id=None, uploaded=False,
             intent_at=None, project_id=None, detected_at=began + number * 18, created_at=began, settled_at=began)
    answer = house.ask(command, query=query(house, "drop_size", "held"))
    assert (answer.changed, "held, too" in answer.lines[-1]) == (200, command == "cancel")
    for name, seen in (("early.wav", began - 500), ("late.wav", began + 3600)):
        assert house.job(house.drop(name, seen_at=seen)).state is becomes
    assert house.job(house.drop("before.wav", seen_at=began - 700)).state is State.QUEUED


@pytest.mark.parametrize("bad", [1, "x", [], {}, {"state": "failed"}, {"state": "gone", "reason": "x", "inbox": "y"},
                                 {"state": "failed", "reason": ["x"], "inbox": "y"},
                                 {"state": ["failed"], "reason": "x", "inbox": "y"},
                                 {"state": "failed", "reason": "x", "inbox": "y", "seen": "z"},
                                 {"state": "failed", "reason": "x", "inbox": "y", "seen": True}])
def test_a_query_that_is_none_is_refused_in_words(house: House, bad: Any) -> None:
    answer = house.ask("retry", query=bad)
    assert (answer.exit, answer.lines[0].startswith("This can't be asked: ")) == (2, True)


def held(house: House, path: str, code: str = "drop_size") -> Job:
    """A recording that nothing was bought for yet, and that waits for a yes."""
    job = house.job(house.drop(path))
    return house.journal.jobs.commit(job, state=State.HELD, because=because(code, job=job.id), due_at=None)


def test_jobs_by_name_are_released_only_as_they_were_when_the_person_looked(house: House) -> None:
    """The word that released a drop says nothing of what may have been bought once already."""
    same, other, gone = (held(house, path) for path in ("same.wav", "other.wav", "gone.wav"))
    seen = house.journal.overview.last_line()
    house.journal.jobs.commit(other, because=because("unproven", job=other.id))
    house.journal.jobs.commit(gone, state=State.CANCELLED, because=because("discarded", job=gone.id))
    answer = house.ask("approve", jobs=[same.id, other.id, gone.id], seen=seen)
    assert (answer.exit, answer.jobs) == (1, (same.id,))
    now = house.job(other.id)
    assert (now.state, now.unproven, now.because) == (State.HELD, other.unproven, because("unproven", job=other.id))
    assert [line for line in answer.lines if "has changed since" in line] == [
        "podcasts:other.wav has changed since: it is held now (unproven). Look again, and ask anew.",
        "podcasts:gone.wav has changed since: it is cancelled now (discarded). Look again, and ask anew."]
    looked = house.journal.overview.last_line()
    assert house.ask("approve", jobs=[other.id], seen=looked).jobs == (other.id,)


@pytest.mark.parametrize("which", [{"all": True}, {"inbox": "podcasts"}])
def test_all_that_is_held_is_what_was_when_it_was_said(house: House, which: dict[str, Any]) -> None:
    """A request may stand for hours before a daemon serves it."""
    first = held(house, "a.wav")
    seen = house.journal.overview.last_line()
    second = held(house, "b.wav")
    answer = house.ask("approve", seen=seen, **which)
    assert (answer.exit, answer.jobs, house.job(second.id).state) == (0, (first.id,), State.HELD)
    assert "Nothing of this is left to do" in house.ask("approve", seen=seen, **which).lines[0]


def test_what_was_seen_in_another_past_releases_nothing(house: House) -> None:
    """The journal was rebuilt, or an older copy of it put back."""
    job = held(house, "a.wav")
    answer = house.ask("approve", jobs=[job.id], seen=house.journal.overview.last_line() + 1)
    assert (answer.exit, answer.jobs, house.job(job.id).state) == (1, (), State.HELD)
