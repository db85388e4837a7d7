"""Jobs page by page: all of them, each once, newest first, by an index."""

from __future__ import annotations

import random
from typing import Any

import pytest
from journal_jobs import job
from test_journal_plans import plans

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal, lists
from diffio_watch.reasons import because


def _all(journal: Journal, limit: int, **wanted: Any) -> list[str]:
    """The ids of every page, joined."""
    found: list[str] = []
    before = None
    for _ in range(1000):
        page = journal.lists.page(limit, before=before, **wanted)
        assert len(page.jobs) <= limit
        found += [one.id for one in page.jobs]
        before = page.before
        if before is None:
            return found
    raise AssertionError("the pages have no end")


@pytest.fixture
def many(journal: Journal) -> list[Job]:
    """Two hundred jobs of two inboxes, in all kinds of states, newest first."""
    rolls = random.Random(7)  # the same each time
    made = [job(f"{rolls.choice(['show', 'Ärger', 'a_b'])}/{number}.wav", inbox=rolls.choice(["in", "other"]),
                state=rolls.choice([State.DELIVERED, State.FAILED, State.HELD, State.QUEUED]),
                because=rolls.choice([None, because("empty"), because("daily_limit", detail="")]))
            for number in range(200)]
    journal.jobs.add(made)
    return made[::-1]


@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
@pytest.mark.parametrize(("wanted", "is_it"), [
    ({}, lambda one: True),
    ({"inbox": "other"}, lambda one: one.inbox == "other"),
    ({"states": {State.FAILED}}, lambda one: one.state is State.FAILED),
    ({"states": {State.FAILED, State.HELD}, "inbox": "in"},
     lambda one: one.state in {State.FAILED, State.HELD} and one.inbox == "in"),
    ({"reason": "empty"}, lambda one: one.because is not None and one.because.code == "empty"),
    ({"reason": "empty", "states": {State.HELD}, "inbox": "in"},
     lambda one: one.because is not None and one.because.code == "empty" and one.state is State.HELD
     and one.inbox == "in"),
    ({"words": "SHOW 1"}, lambda one: one.path.startswith("show") and "1" in one.path),
    ({"words": "ärger", "states": {State.QUEUED, State.DELIVERED}},
     lambda one: "Ärger" in one.path and one.state in {State.QUEUED, State.DELIVERED}),
    ({"words": "a_b"}, lambda one: "a_b" in one.path),
    ({"words": "%"}, lambda one: False),
])
def test_the_pages_have_each_job_once_newest_first(journal: Journal, many: list[Job], monkeypatch: pytest.MonkeyPatch,
                                                   limit: int, wanted: dict[str, Any], is_it: Any) -> None:
    right = [one.id for one in many if is_it(one)]
    assert _all(journal, limit, **wanted) == right
    monkeypatch.setattr(lists, "_LOOKED_AT", 11)  # as if there were very many
    assert _all(journal, limit, **wanted) == right


@pytest.mark.parametrize("wanted", [
    {}, {"inbox": "in"}, {"states": {State.DELIVERED}}, {"states": set(State), "inbox": "in", "words": "a"},
    {"reason": "empty"}, {"reason": "empty", "states": {State.HELD}, "inbox": "in"}, {"words": "x"},
])
def test_no_page_walks_through_all_jobs_or_sorts_them(journal: Journal, many: list[Job],
                                                      wanted: dict[str, Any]) -> None:
    told = plans(journal, lambda journal: journal.lists.page(50, before=100, **wanted))
    steps = [step for plan in told.values() for step in plan]
    # the search reads rows in their order, and no more of them than the limit says
    assert not [step for step in steps if "TEMP B-TREE" in step or step == "SCAN jobs"], told


def test_what_changed_is_told_once_the_last_first(journal: Journal) -> None:
    first, second = job("a.wav"), job("b.wav")
    journal.jobs.add([first, second])
    start = journal.lists.changed_since(None, 10)
    assert start.jobs == []
    journal.jobs.commit(first, state=State.CANCELLED)
    journal.jobs.remark([second.id], "x")
    journal.jobs.remark([second.id], "y")
    found = journal.lists.changed_since(start.last, 10)
    assert [one.path for one in found.jobs] == ["b.wav", "a.wav"]
    assert not found.more
    assert journal.lists.changed_since(start.last, 1).more
    assert journal.lists.changed_since(found.last, 10).jobs == []


def test_of_a_reason_only_what_still_stands_is_listed_where_that_is_asked(journal: Journal) -> None:
    """The list of a group has as many rows as the group says."""
    why = because("truncated", detail="x")
    journal.jobs.add([job("a.wav", state=State.FAILED, because=why), job("b.wav", state=State.FAILED, because=why)])
    journal.jobs.add([job("a.wav", sha256="better", state=State.DELIVERED)])
    for standing, paths in ((False, ["b.wav", "a.wav"]), (True, ["b.wav"])):
        page = journal.lists.page(50, states={State.FAILED}, inbox="in", reason="truncated", standing=standing)
        assert [one.path for one in page.jobs] == paths
