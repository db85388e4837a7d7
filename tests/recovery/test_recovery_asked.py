"""What an old copy leaves in doubt is asked of the service: nothing bought goes on, one generation is adopted, and what
is not certain is a person's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markers import put_marker
from recovery_house import KEY, House, recording

from diffio_watch.api.shapes import GenerationSummary, ProjectSummary
from diffio_watch.disk import marker_file
from diffio_watch.job import Job, Settings, State
from diffio_watch.outbox.ledger import NAME, Entry
from diffio_watch.recovery import asking, rebuild
from diffio_watch.recovery.asked import Bought, Doubt, Known, Seen, Unbought, Unsure, verdicts
from diffio_watch.sandbox import Sandbox

MODEL = Settings().model
NOW = 1_800_000_000.0
OURS = ProjectSummary("known", "uploaded", "old.wav", None, has_video=False, generations=1, created_at=NOW - 60,
                      updated_at=None)


def project(name: str = "a.wav", key: str = "p", at: float | None = NOW) -> ProjectSummary:
    return replace(OURS, project_id=key, file_name=name, generations=None, created_at=at)


def generation(key: str = "g", model: str = MODEL, at: float | None = NOW + 1) -> GenerationSummary:
    return GenerationSummary(key, "complete", model, None, at, None)


def doubt(path: str = "a.wav", *, there: bool = True, job: str = "1", own: str | None = None, content: str | None = "a",
          inbox: str = "in", size: int = 1) -> Doubt:
    sha256 = None if content is None else content * 64
    return Doubt(Job(job, inbox, path, size, 1, Settings(), project_id=own, sha256=sha256), there, found=own is None)


def noted(path: str = "a.wav", content: str = "a", key: str = "p", service: str = "here") -> Entry:
    return Entry(job="1", path=path, sha256=content * 64, service=service, project=key)


def verdict(doubts: list[Doubt], listed: list[ProjectSummary], generations: dict[str, list[GenerationSummary] | None],
            *entries: Entry, other: Entry | None = None, size: int | None = 1, bought: str = "",
            newest: str | None = "known") -> str:
    own = {one.job.project_id for one in doubts if one.job.project_id is not None}
    known = Known("here", {"known"}, own, newest, lambda key: key == "known", {bought * 64},
                  {"in": entries, "other": [other] if other else []})
    found = verdicts(doubts, Seen(listed, lambda key: generations.get(key, []), lambda _: size), known)
    words = {Bought: "bought", Unbought: "free", Unsure: "held"}
    return " ".join(words[type(found.get(one.job.id, Unsure()))] for one in doubts)


A, G, GONE = project(), generation(), doubt("a.wav", there=False, content=None)
B = doubt("b.wav", job="2")
NAMES: dict[str, Any] = {
    "nothing": ([doubt()], [OURS], {}, "free"),
    "a project that nothing was bought of": ([doubt()], [OURS, A], {}, "free"),
    "one generation of its name": ([doubt()], [OURS, A], {"p": [G]}, "held"),
    "one of another name, for it may be renamed": ([B], [OURS, A], {"p": [G]}, "held"),
    "one of another suffix": ([doubt("a.wave")], [OURS, A], {"p": [G]}, "held"),
    "one that is a row's of the copy": ([GONE, B], [OURS, A], {"p": [G]}, "held held"),
    "several": ([doubt()], [OURS, A, project(key="q")], {"p": [G], "q": [generation("h")]}, "held"),
    "one whose project can't be seen": ([doubt()], [OURS, A], {"p": None}, "held"),
    "one without a date": ([doubt()], [OURS, project(at=None)], {"p": [G]}, "held"),
    "one from long before": ([doubt()], [OURS, project(at=NOW - 1e6)], {"p": [G]}, "free"),
    "a name of two": ([doubt("x/a.wav"), doubt("y/a.wav", job="2", content="b")], [OURS, A], {"p": [G]}, "held held"),
    "an account without anything known": ([doubt()], [A], {"p": [G]}, "held"),
    "an empty account": ([doubt()], [], {}, "held"),
    "a file that can't be read": ([doubt(content=None)], [OURS], {}, "held"),
    "a row whose file is gone": ([GONE], [OURS], {}, "free"),
}
OWN: dict[str, Any] = {
    "one generation": ([doubt(own="p")], [OURS, A], {"p": [G]}, "bought"),
    "none": ([doubt(own="p")], [OURS, A], {}, "free"),
    "two": ([doubt(own="p")], [OURS, A], {"p": [G, generation("h")]}, "held"),
    "of another model": ([doubt(own="p")], [OURS, A], {"p": [generation(model="other")]}, "held"),
    "one that another job has": ([doubt(own="p")], [OURS, A], {"p": [generation("known")]}, "free"),
    "the key does not see it": ([doubt(own="p")], [OURS], {"p": None}, "held"),
    "one that may be of the file that was renamed": ([replace(GONE, job=replace(GONE.job, project_id="p")), B],
                                                     [OURS, A], {"p": [G]}, "held held"),
    "it is gone, and was sent": ([doubt(own="p", there=False), doubt("c.wav", job="2", content="b")],
                                 [OURS, A], {"p": [G]}, "bought free"),
}
LEDGER: dict[str, Any] = {
    "one generation": ([doubt()], [OURS, A], {"p": [G]}, [noted()], "bought"),
    "none": ([doubt()], [OURS, A], {}, [noted()], "free"),
    "two": ([doubt()], [OURS, A], {"p": [G, generation("h")]}, [noted()], "held"),
    "two projects, one bought": ([doubt()], [OURS, A, project(key="q")], {"q": [G]}, [noted(), noted(key="q")],
                                 "bought"),
    "of another model": ([doubt()], [OURS, A], {"p": [generation(model="other")]}, [noted()], "held"),
    "another content under its name": ([doubt(content="b")], [OURS, A], {"p": [G]}, [noted()], "free"),
    "renamed": ([GONE, B], [OURS, A], {"p": [G]}, [noted()], "free bought"),
    "renamed, and another one under its name": ([B, doubt(content="c")], [OURS, A], {"p": [G]}, [noted()],
                                                "bought free"),
    "renamed, and its row sent it": ([doubt(own="p", there=False), B], [OURS, A], {"p": [G]}, [noted()], "held bought"),
    "renamed twice": ([B, doubt("c.wav", job="3")], [OURS, A], {"p": [G]}, [noted()], "held held"),
    "a copy beside it": ([doubt(), B], [OURS, A], {"p": [G]}, [noted()], "bought held"),
    "a copy that was bought too": ([doubt(), B], [OURS, A, project(key="q")], {"p": [G], "q": [generation("h")]},
                                   [noted(), noted("b.wav", key="q")], "bought bought"),
    "at another service": ([doubt()], [OURS], {}, [noted(service="there")], "held"),
    "its project is gone": ([doubt()], [OURS], {"p": None}, [noted()], "held"),
    "two contents for a project": ([doubt(), B], [OURS, A], {"p": [G]}, [noted(), noted("b.wav", "b")], "held held"),
    "another content for its own project": ([doubt(own="p")], [OURS, A], {"p": [G]}, [noted(content="b")], "held"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_proves_nothing(case: str) -> None:
    """It may be of a file of that size, whatever that is called, and whose ever it is: no more is known."""
    *asked, expected = NAMES[case]
    assert verdict(*asked) == expected


@pytest.mark.parametrize("case", OWN)
def test_what_is_in_a_row_s_own_project_is_that_row_s(case: str) -> None:
    *asked, expected = OWN[case]
    assert verdict(*asked) == expected


@pytest.mark.parametrize("case", LEDGER)
def test_the_ledger_proves_which_content_a_project_holds(case: str) -> None:
    *asked, entries, expected = LEDGER[case]
    assert verdict(*asked, *entries) == expected


def test_what_is_of_another_size_is_not_of_this_recording() -> None:
    assert verdict([doubt(size=2)], [OURS, A], {"p": [G]}) == "free"
    assert verdict([doubt(size=2)], [OURS, A], {"p": [G]}, size=None) == "held"


def test_what_was_bought_in_another_inbox_is_a_person_s() -> None:
    """It was moved from there, or is a copy."""
    assert verdict([doubt()], [OURS, A], {"p": [G]}, other=noted()) == "held"
    assert verdict([doubt()], [OURS, A], {}, other=noted()) == "held"


def test_content_that_another_job_has_bought_is_a_person_s() -> None:
    """An inbox under another name, say: by its own name there is nothing at the service that is not known."""
    assert verdict([doubt()], [OURS], {}, bought="a") == "held"


def test_the_account_is_the_journal_s_where_the_last_project_of_the_copy_is_seen() -> None:
    """Another key may see older ones, and nothing of what the dead machine bought."""
    assert verdict([doubt()], [OURS], {}, newest="not seen") == "held"
    assert verdict([doubt()], [OURS], {}, newest=None) == "free"  # sidecars tell of `known`


@pytest.fixture
def old(house: House) -> House:
    """A house whose journal is a copy from before three recordings came, of which one is bought."""
    house.drop("first.wav", 1)
    assert house.once() == 0
    kept = house.keep()
    house.sandbox.change(seconds=3600)
    house.drop("bought.wav", 2)
    with house.running():
        house.wait(lambda: house.states().get("bought.wav") is State.WAITING)
    house.put_back(kept)
    house.drop("new.wav", 3)
    return house


def test_an_old_copy_goes_on_without_a_person(old: House) -> None:
    done = old.rebuild()
    assert "1 were not bought, as the service says, and go on by themselves; for 1 it has a generation" in done.out
    assert "held" not in done.out
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.WAITING, "new.wav": State.QUEUED}
    old.sandbox.change(seconds=0)
    old.sandbox.skip(4000)
    assert old.once() == 0
    old.check(3)
    assert old.told("bought.wav.json").service.generation_id == old.jobs()["bought.wav"].generation_id


def test_what_came_in_the_last_moment_of_a_journal_that_is_up_to_date_goes_on(house: House) -> None:
    house.drop("first.wav", 1)
    assert house.once() == 0
    house.put_back(house.keep())
    house.drop("new.wav", 2)
    assert "1 were not bought" in house.rebuild().out
    assert house.once() == 0
    house.check(2)


def test_where_the_service_can_t_be_asked_all_is_a_person_s_until_it_can(old: House) -> None:
    old.use_key(None)
    assert "The service could not be asked" in old.rebuild().out
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.HELD, "new.wav": State.HELD}
    old.use_key(KEY)
    old.rebuild()
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.WAITING, "new.wav": State.QUEUED}
    old.check(2)


def test_with_another_account_s_key_all_is_a_person_s(old: House) -> None:
    old.use_key("somebody-else-s-key")
    old.rebuild()
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.HELD, "new.wav": State.HELD}
    old.check(2)


def test_a_lost_journal_asks_a_person(old: House) -> None:
    """Of a new one nothing says when it began, and whose account it was."""
    old.lose_journal()
    old.rebuild()
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.HELD, "new.wav": State.HELD}
    old.check(2)
    because = old.jobs()["bought.wav"].because
    assert because is not None
    assert "It was probably bought: by the ledger of a's outbox it is in project" in because.message


def test_a_drop_that_is_too_large_to_be_meant_stays_a_person_s(old: House) -> None:
    old.more = {"limits": {"min_free": 0, "approve_over_files": 2}}
    old.configure()
    for number in range(10, 13):
        old.drop(f"drop {number}.wav", number)
    old.rebuild()
    assert [state for path, state in old.states().items() if path.startswith("drop")] == [State.HELD] * 3
    assert old.states()["bought.wav"] is State.WAITING


def test_broken_off_before_the_markers_it_is_run_again_to_the_same_end(old: House, monkeypatch: pytest.MonkeyPatch,
                                                                      ) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(rebuild._Rebuild, "_take_over", lambda *_: 1 / 0)
        assert old.cmd("journal", "rebuild").code == 1
    assert old.cmd("once").code == 2
    old.rebuild()
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.WAITING, "new.wav": State.QUEUED}


def test_while_the_machine_it_was_copied_from_works_on_nothing_is_taken_over(old: House,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts in its markers before it pays: seen between two looks, it is told, and nothing is bought twice."""
    def meanwhile(self: asking.Asking, *_: object) -> asking.Settled:
        found = marker_file.read(str(old.outbox))
        assert found is not None
        put_marker(old.outbox, replace(found, counter=found.counter + 1))
        return asking.Settled()

    monkeypatch.setattr(asking.Asking, "settle", meanwhile)
    done = old.cmd("journal", "rebuild")
    assert done.code == 1
    assert "works on in the outbox of a" in done.err


def test_without_its_ledger_what_was_bought_is_a_person_s(old: House) -> None:
    """`new.wav` is as large: which of the two was bought nobody can say. What else is of another size."""
    (old.outbox / NAME).unlink()
    (old.inbox / "long.wav").write_bytes(recording(5, 0.2))
    done = old.rebuild()
    assert "2 jobs are held" in done.out
    assert old.states() == {"first.wav": State.DELIVERED, "bought.wav": State.HELD, "new.wav": State.HELD,
                            "long.wav": State.QUEUED}
    because = old.jobs()["new.wav"].because
    assert because is not None
    assert "(bought.wav)" in because.message
    old.check(2)


def test_what_was_renamed_since_is_not_bought_again(old: House) -> None:
    (old.inbox / "bought.wav").rename(old.inbox / "renamed.mp3")
    old.rebuild()
    assert old.states() == {"first.wav": State.DELIVERED, "renamed.mp3": State.WAITING, "new.wav": State.QUEUED}
    old.sandbox.change(seconds=0)
    old.sandbox.skip(4000)
    assert old.once() == 0
    old.check(3)


def test_what_another_studio_bought_by_the_same_key_is_never_delivered_here(
        house: House, tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch,
        capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Of the same name, size and time: the original stays, and a person is asked."""
    house.configure(originals="delete")
    house.drop("first.wav", 1)
    assert house.once() == 0
    kept = house.keep()
    house.drop("second.wav", 2)
    assert house.once() == 0
    mine = house.drop("mixdown.wav", 3)
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other", sandbox, monkeypatch, capfdbinary)
    other.drop("mixdown.wav", 99)
    assert other.once() == 0
    monkeypatch.setenv("DIFFIO_WATCH_CONFIG", str(house.base / "config.yaml"))
    house.put_back(kept)
    house.rebuild()
    assert house.once() == 1
    assert house.states()["mixdown.wav"] is State.HELD
    assert mine.read_bytes() == recording(3)
    assert not [name for name in house.names() if name.startswith("mixdown.restored")]
    house.check(3)


def test_what_an_earlier_gap_left_to_a_person_stays_that_person_s(house: House) -> None:
    """It may have been bought at any time: that nothing was bought of it lately says nothing."""
    house.drop("first.wav", 1)
    assert house.once() == 0
    house.drop("long ago.wav", 2)
    house.lose_journal()
    house.rebuild()
    house.once()
    kept = house.keep()
    house.drop("second.wav", 3)
    house.once()
    house.put_back(kept)
    house.drop("new.wav", 4)
    for _ in range(2):
        house.rebuild()
        assert house.states() == {"first.wav": State.DELIVERED, "second.wav": State.DELIVERED,
                                  "new.wav": State.QUEUED, "long ago.wav": State.HELD}


def test_what_had_only_just_come_is_in_no_copy_however_new(house: House) -> None:
    house.drop("first.wav", 1)
    assert house.once() == 0
    house.drop("new.wav", 2)
    house.rebuild()
    assert house.states() == {"first.wav": State.DELIVERED, "new.wav": State.QUEUED}
