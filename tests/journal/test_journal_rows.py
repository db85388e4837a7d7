"""Jobs as rows: written and read back, moved along by commits, looked up, brought into order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_jobs import HandClock, job, now

from diffio_watch.job import TRANSITIONS, Because, Job, Media, Output, Part, Settings, State, new_id
from diffio_watch.journal import Journal, NameReserved, Stale
from diffio_watch.reasons import because

whole = st.integers(-(2**63), 2**63 - 1)
times = st.floats(allow_nan=False, allow_infinity=False)
names = st.binary(min_size=1, max_size=300).map(os.fsdecode)
words = st.text(st.characters(codec="utf-8"))
foreign = st.recursive(st.none() | st.booleans() | st.integers() | times | words,
                       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
                       max_leaves=6)
foreign_dict = st.dictionaries(words, foreign, max_size=3)
media = st.builds(Media, words, st.none() | times, st.booleans())
becauses = st.builds(Because, words, words, words)
kinds = st.sampled_from(["audio", "video", "transcript"])
outputs = st.lists(st.builds(
    Output, kinds, st.sampled_from(["wanted", "fetched", "published", "unavailable"]), st.none() | names,
    st.none() | whole, st.none() | words, st.none() | words, st.none() | media, st.none() | words,
    st.none() | times), max_size=3).map(tuple)
frozen = st.builds(
    Settings, words, foreign_dict, foreign_dict, foreign_dict,
    st.lists(st.sampled_from(["auto", "audio", "video", "transcript"]), max_size=3).map(tuple),
    st.sampled_from(["keep", "archive", "delete"]), words, st.sampled_from(["skip", "process"]), whole, whole)
by_type: dict[str, st.SearchStrategy[Any]] = {
    "str": words, "int": whole, "bool": st.booleans(), "float": times, "str | None": st.none() | words,
    "int | None": st.none() | whole, "float | None": st.none() | times, "State": st.sampled_from(State),
    "Settings": frozen, "Because | None": st.none() | becauses, "Media | None": st.none() | media,
    "tuple[Output, ...]": outputs, "tuple[str, ...]": st.lists(words, max_size=3).map(tuple),
    "Literal['put', 'multipart'] | None": st.sampled_from([None, "put", "multipart"]),
    "Original": st.sampled_from(["kept", "pending", "archived", "deleted", "stuck"]),
    "Form": st.sampled_from(["plain", "escaped", "short"]), "Wish": st.sampled_from(["", "away", "anew"]),
}
jobs = st.builds(Job, **{field.name: by_type[str(field.type)] for field in fields(Job)} | {
    "id": st.builds(new_id), "path": names})


@settings(deadline=None)
@given(before=jobs, after=jobs)
def test_whatever_a_job_holds_and_a_commit_changes_is_read_back_as_it_was(before: Job, after: Job) -> None:
    changes = {field.name: getattr(after, field.name) for field in fields(Job)
               if field.name not in {"id", "state", "version", "updated_at"}}
    with tempfile.TemporaryDirectory(dir=_fast()) as folder, Journal.open(Path(folder), create=True) as journal:
        before = replace(before, version=3)
        journal.jobs.add([before])
        assert now(journal, before.id) == before
        assert journal.jobs.at(before.inbox, before.path) == [before]
        done = journal.jobs.commit(before, **changes)
        assert now(journal, before.id) == done == replace(
            after, id=before.id, state=before.state, version=4, updated_at=done.updated_at)


def _fast() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def test_a_commit_against_an_older_row_is_refused_and_writes_nothing(journal: Journal) -> None:
    made = job()
    journal.jobs.add([made])
    newer = journal.jobs.commit(made, progress=1.0)
    with pytest.raises(Stale):
        journal.jobs.commit(made, progress=2.0, reserve=["x"], detail="never")
    assert now(journal, made.id) == newer
    assert [event.detail for event in journal.jobs.history(made.id)] == [""]
    assert not journal.jobs.reserved("in", "x", "")


@pytest.mark.parametrize("state", State)
def test_only_the_tables_transitions_are_written(journal: Journal, state: State) -> None:
    for after in State:
        made = job(f"{after}.wav", state=state)
        journal.jobs.add([made])
        if after is state or after in TRANSITIONS[state]:
            assert journal.jobs.commit(made, state=after).state is after
        else:
            with pytest.raises(ValueError, match="no transition"):
                journal.jobs.commit(made, state=after)


def test_history_has_a_line_for_each_change_of_state_or_reason_and_none_else(
        journal: Journal, clock: HandClock) -> None:
    made = job()
    journal.jobs.add([made], "found")
    clock.at += 1
    made = journal.jobs.commit(made, state=State.UPLOADING)
    made = journal.jobs.commit(made, progress=5.0)
    made = journal.jobs.commit(made, because=because("rate_limited"))
    made = journal.jobs.commit(made, because=because("rate_limited"))
    journal.jobs.commit(made, because=None, detail="a person's word")
    assert [(event.state, event.detail) for event in journal.jobs.history(made.id)] == [
        (State.QUEUED, "found"), (State.UPLOADING, ""),
        (State.UPLOADING, "rate_limited: The service asks for a pause."), (State.UPLOADING, "a person's word")]
    assert journal.jobs.history(made.id)[1].at == clock.at


def test_one_content_at_one_place_in_one_run_is_journalled_once(journal: Journal) -> None:
    made = job(sha256="s")
    journal.jobs.add([made])
    with pytest.raises(Stale):
        journal.jobs.add([job("other.wav", sha256="s"), job(sha256="s")])
    assert len(journal.jobs.newest()) == 1  # all or none
    journal.jobs.add([job(sha256="s", run=2), job(sha256="t"), job("b.wav", sha256="s"), job(), job()])


def test_names_in_an_outbox_are_reserved_for_one_job_and_let_go_at_its_end(journal: Journal) -> None:
    one, two, elsewhere = job("1.wav"), job("2.wav"), job("3.wav", inbox="other")
    journal.jobs.add([one, two, elsewhere])
    odd = os.fsdecode(b"caf\xe9.mp3")
    one = journal.jobs.commit(one, state=State.UPLOADING, reserve=["a.mp3", odd])
    assert journal.jobs.reserved("in", odd, two.id)
    assert not journal.jobs.reserved("in", odd, one.id)
    with pytest.raises(NameReserved):
        journal.jobs.commit(two, number=1, reserve=["b.mp3", odd])
    assert now(journal, two.id) == two
    assert not journal.jobs.reserved("in", "b.mp3", one.id)
    journal.jobs.commit(elsewhere, reserve=[odd])
    one = journal.jobs.commit(one, reserve=["c.mp3"])  # in place of those it had
    assert not journal.jobs.reserved("in", odd, two.id)
    one = journal.jobs.commit(one, state=State.HELD)
    assert journal.jobs.reserved("in", "c.mp3", two.id)
    journal.jobs.commit(one, state=State.CANCELLED)
    assert not journal.jobs.reserved("in", "c.mp3", two.id)


def test_two_names_of_one_job_that_are_one_are_told_as_a_bug_and_not_as_another_job_s(journal: Journal) -> None:
    """Whoever is told that another job was quicker takes the next number at once, and would do so for ever."""
    (one,) = made = [job()]
    journal.jobs.add(made)
    with pytest.raises(ValueError, match="are one"):
        journal.jobs.commit(one, reserve=("a.transcript.json", "a.transcript.json"))
    assert not journal.jobs.reserved("in", "a.transcript.json", "another")


def test_confirmed_parts_belong_to_one_session_of_one_project(journal: Journal) -> None:
    made = job(state=State.UPLOADING)
    journal.jobs.add([made])
    for number in (2, 1):
        journal.jobs.confirm_part(made, Part(number, f"e{number}", 5, f"s{number}"))
    assert journal.jobs.parts(made.id) == [Part(number, f"e{number}", 5, f"s{number}") for number in (1, 2)]
    moved = journal.jobs.commit(made, progress=1.0)
    with pytest.raises(Stale):
        journal.jobs.confirm_part(made, Part(3, "e3", 5, "s3"))
    journal.jobs.commit(moved, upload_id="other")
    assert journal.jobs.parts(made.id) == []


def test_a_transfer_that_is_over_is_nowhere_on_its_way(journal: Journal) -> None:
    """How far it is stands in the row by its own hand: whoever has the row does not know of it."""
    made = job("a.wav")
    journal.jobs.add([made])
    journal.jobs.note_progress(made.id, 97.0)
    journal.jobs.commit(made, state=State.UPLOADING, progress=None)
    (found,) = journal.jobs.newest()
    assert found.progress is None


def test_progress_is_told_without_moving_the_job(journal: Journal) -> None:
    made = job()
    journal.jobs.add([made])
    journal.jobs.note_progress(made.id, 42.0)
    assert now(journal, made.id) == replace(made, progress=42.0)
    journal.jobs.commit(made, state=State.UPLOADING)


def test_a_job_is_found_by_the_beginning_of_its_id_where_that_is_one(journal: Journal) -> None:
    one, two = job("1.wav", id="01AAAA" + "0" * 20), job("2.wav", id="01AAAB" + "0" * 20)
    journal.jobs.add([one, two])
    assert journal.jobs.get("01AAAA") == one
    assert journal.jobs.get("01aaab") == two
    for none in ("01AAA", "", "01AAAC", "%", "01AAAA" + "0" * 20 + "0"):
        assert journal.jobs.get(none) is None


def test_jobs_are_listed_newest_first_by_state_inbox_and_number(journal: Journal) -> None:
    made = [job(f"{number}.wav", state=state, inbox=inbox) for number, (state, inbox) in enumerate([
        (State.QUEUED, "in"), (State.HELD, "in"), (State.QUEUED, "other"), (State.FAILED, "in")])]
    journal.jobs.add(made)

    def listed(*args: Any, **more: Any) -> list[str]:
        return [one.path for one in journal.jobs.newest(*args, **more)]

    assert listed() == ["3.wav", "2.wav", "1.wav", "0.wav"]
    assert listed({State.QUEUED}) == ["2.wav", "0.wav"]
    assert listed({State.QUEUED, State.FAILED}, "in") == ["3.wav", "0.wav"]
    assert listed(limit=2) == ["3.wav", "2.wav"]
    assert listed(set()) == []
    assert journal.totals.by_state()[State.QUEUED] == 2


def test_what_is_due_comes_bumped_first_then_by_priority_then_by_age(journal: Journal) -> None:
    made = [job("old.wav"), job("older than urgent.wav"), job("urgent.wav", priority=5), job("bumped.wav", bumped=1),
            job("bumped later.wav", bumped=2), job("not yet.wav", due_at=100.0), job("waits.wav", due_at=None),
            job("elsewhere.wav", inbox="other"), job("uploading.wav", state=State.UPLOADING)]
    journal.jobs.add(made)

    def due(states: Sequence[State], at: float, limit: int = 10) -> list[str]:
        return [one.path for one in journal.schedule.due(states, "in", at, limit)]

    assert due([State.QUEUED], 10.0) == [
        "bumped later.wav", "bumped.wav", "urgent.wav", "old.wav", "older than urgent.wav"]
    assert due([State.QUEUED], 10.0, 2) == ["bumped later.wav", "bumped.wav"]
    assert "not yet.wav" in due([State.QUEUED], 100.0)
    assert "uploading.wav" in due([State.QUEUED, State.UPLOADING], 10.0)
    assert journal.schedule.next_due(10.0) == 100.0
    assert journal.schedule.next_due(100.0) is None


def test_what_is_parked_is_brought_forward_by_reason_and_origin_and_not_too_soon(
        journal: Journal, clock: HandClock) -> None:
    later = clock.at + 3600
    down = because("service_error", detail="create_project of https://one answered 503")
    made = [job("one.wav", because=down, due_at=later),
            job("two.wav", because=because("service_error", detail="https://two said nothing"), due_at=later),
            job("disk.wav", because=because("disk", detail="https://one"), due_at=later),
            job("held.wav", state=State.HELD, because=down, due_at=later),
            job("never.wav", because=down, due_at=None)]
    journal.jobs.add(made)

    def due() -> list[str]:
        return [one.path for one in journal.jobs.newest() if one.due_at is not None and one.due_at <= clock.at]

    assert journal.schedule.bring_forward(["service_error"], clock.at, "https://one") == 1
    assert due() == ["one.wav"]
    row = now(journal, made[1].id)
    journal.jobs.commit(row, due_at=later)  # parked just now
    assert journal.schedule.bring_forward(["service_error", "disk"], clock.at, floor=15.0) == 2
    assert now(journal, made[1].id).due_at == clock.at + 15
    assert due() == ["disk.wav", "one.wav"]


def test_a_job_brought_forward_is_another_row_for_whoever_holds_the_old_one(
        journal: Journal, clock: HandClock) -> None:
    made = job(because=because("disk", detail=""), due_at=clock.at + 60)
    journal.jobs.add([made])
    journal.schedule.bring_forward(["disk"], clock.at)
    with pytest.raises(Stale):
        journal.jobs.commit(made, due_at=None)


def test_twins_are_older_have_the_size_and_fingerprint_or_none_at_all(journal: Journal) -> None:
    old, blank, other = job("old.wav", partial="p"), job("blank.wav", partial=""), job("other.wav", partial="q")
    longer, elsewhere = job("longer.wav", partial="p", size=4), job("elsewhere.wav", partial="p", inbox="other")
    mine, younger = job("mine.wav", partial="p"), job("younger.wav", partial="p")
    journal.jobs.add([old, blank, other, longer, elsewhere, mine, younger])
    assert [one.path for one in journal.jobs.twins(mine)] == ["old.wav", "blank.wav"]


def test_spending_counts_intents_and_at_least_a_minute_each(journal: Journal) -> None:
    long = Media("Wave", 600.0, has_video=False)
    journal.jobs.add([job("1.wav", intent_at=10.0, media=long), job("2.wav", intent_at=20.0),
                 job("3.wav", intent_at=5.0, media=long), job("4.wav"),
                 job("5.wav", intent_at=30.0, media=Media("Wave", None, has_video=False))])
    assert journal.totals.spent_between(10.0, 31.0) == (3, 12.0)
    assert journal.totals.spent_between(31.0, 60.0) == (0, 0.0)
    assert journal.totals.spent_between(10.0, 30.0) == (2, 11.0), "what is dated later was bought with the clock ahead"
    journal.jobs.add([job("6.wav", intent_at=70.0, minutes=7.5, media=long),
                 job("7.wav", intent_at=71.0, size=2000 * 600, media=Media("WebM", None, has_video=False))])
    assert journal.totals.spent_between(70.0, 71.0) == (1, 7.5), "as it was estimated, or corrected by the result"
    assert journal.totals.spent_between(71.0, 72.0) == (1, 10.0), "an older row's unknown length is estimated here too"


def test_generations_in_flight_are_bought_and_not_finished(journal: Journal) -> None:
    journal.jobs.add([job("1.wav", state=State.GENERATING), job("2.wav", state=State.GENERATING, intent_at=1.0),
                 job("3.wav", state=State.WAITING, intent_at=1.0), job("4.wav", state=State.DELIVERED, intent_at=1.0),
                 job("5.wav", state=State.WAITING, intent_at=1.0, completed_at=2.0)])
    assert journal.totals.in_flight() == 2


def test_generations_are_known_by_their_id_and_the_oldest_open_job_by_its_time(journal: Journal) -> None:
    assert journal.totals.oldest_open() is None
    journal.jobs.add([job("1.wav", generation_id="g", detected_at=5.0),
                      job("2.wav", detected_at=3.0, state=State.FAILED)])
    assert journal.jobs.knows_generation("g")
    assert not journal.jobs.knows_generation("h")
    assert journal.totals.oldest_open() == 5.0


def test_held_jobs_go_on_when_their_time_comes(journal: Journal) -> None:
    journal.jobs.add([job("day.wav", state=State.HELD, due_at=50.0), job("person.wav", state=State.HELD, due_at=None)])
    assert journal.schedule.held_until("in", 49.0) == []
    assert [one.path for one in journal.schedule.held_until("in", 50.0)] == ["day.wav"]


def test_words_and_numbers_that_neither_json_nor_utf8_can_hold_stop_no_commit_and_no_query(
        journal: Journal, clock: HandClock) -> None:
    """Half a character from the service's JSON, `.nan` from a YAML file, a length that MediaInfo made up."""
    half = "half a character \ud83d"
    sampling: dict[Any, Any] = {"seed": float("inf"), 1: float("nan")}
    made = job(media=Media("Wave", float("nan"), has_video=False), intent_at=clock.at, model_key=half,
               settings=Settings(sampling=sampling), notes=(half,))
    journal.jobs.add([made], half)
    waiting = because("service_error", detail=half)
    journal.jobs.commit(now(journal, made.id), detail=half, because=waiting, due_at=clock.at + 60, stage=half)
    assert journal.totals.spent_between(0.0, 1e12) == (1, 1.0)
    assert journal.schedule.bring_forward(["service_error"], clock.at) == 1
    told = now(journal, made.id)
    assert told.media == Media("Wave", None, has_video=False)
    assert told.settings.sampling == {"seed": None, "1": None}
    assert told.notes == (half,)
    assert told.stage == told.model_key == "half a character \\ud83d"
    assert [event.detail for event in journal.jobs.history(made.id)] == ["half a character \\ud83d"] * 2


def test_all_jobs_are_read_in_turn_a_batch_at_a_time(journal: Journal) -> None:
    made = [job(f"{number}.wav") for number in range(5)]
    journal.jobs.add(made)
    assert list(journal.jobs.in_turn(batch=2)) == made
