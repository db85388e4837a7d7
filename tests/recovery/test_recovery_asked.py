"""What an old copy leaves in doubt is asked of the service: nothing bought goes on, one generation is adopted, and what
is not certain is a person's."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from recovery_house import KEY, House

from diffio_watch.api.shapes import GenerationSummary, ProjectSummary
from diffio_watch.disk import marker_file
from diffio_watch.job import Job, Settings, State
from diffio_watch.recovery import asking, rebuild
from diffio_watch.recovery.asked import Bought, Doubt, Known, Unbought, verdicts

MODEL = Settings().model
NOW = 1_800_000_000.0
OURS = ProjectSummary("known", "uploaded", "old.wav", None, has_video=False, generations=1, created_at=NOW - 60,
                      updated_at=None)


def project(name: str = "a.wav", key: str = "p", at: float | None = NOW) -> ProjectSummary:
    return replace(OURS, project_id=key, file_name=name, generations=None, created_at=at)


def generation(key: str = "g", model: str = MODEL, at: float | None = NOW + 1) -> GenerationSummary:
    return GenerationSummary(key, "complete", model, None, at, None)


def doubt(path: str = "a.wav", *, found: bool = True, born: float | None = NOW - 5, job: str = "1",
          own: str | None = None, sha256: str | None = "aa") -> Doubt:
    return Doubt(Job(job, "in", path, 1, 1, Settings(), project_id=own, sha256=sha256), born, found)


def verdict(doubts: list[Doubt], listed: list[ProjectSummary], generations: dict[str, list[GenerationSummary]],
            bought: str = "") -> str:
    known = Known(frozenset({"known", *(one.job.project_id or "" for one in doubts)}), lambda key: key == "known",
                  frozenset({bought}))
    found = verdicts(doubts, listed, lambda key: generations.get(key, []), known)
    words = {Bought: "bought", Unbought: "free", type(None): "held"}
    return " ".join(words[type(found.get(one.job.id))] for one in doubts)


A, G = project(), generation()
CASES = {
    "nothing of its name": ([doubt()], [OURS], {}, "free"),
    "a project that nothing was bought of": ([doubt()], [OURS, A], {}, "free"),
    "one generation": ([doubt()], [OURS, A], {"p": [G]}, "bought"),
    "two generations": ([doubt()], [OURS, A], {"p": [G, generation("h")]}, "held"),
    "two projects with one each": ([doubt()], [OURS, A, project(key="q")], {"p": [G], "q": [generation("h")]}, "held"),
    "two projects, one bought": ([doubt()], [OURS, A, project(key="q")], {"q": [G]}, "bought"),
    "another model": ([doubt()], [OURS, A], {"p": [generation(model="other")]}, "held"),
    "another recording under its name since": ([doubt(born=NOW + 60)], [OURS, A], {"p": [G]}, "held"),
    "no file any more": ([doubt(born=None)], [OURS, A], {"p": [G]}, "held"),
    "no date": ([doubt()], [OURS, A], {"p": [generation(at=None)]}, "held"),
    "a name of two": ([doubt("x/a.wav"), doubt("y/a.wav", job="2")], [OURS, A], {"p": [G]}, "held held"),
    "a name of two, and nothing bought": ([doubt("x/a.wav"), doubt("y/a.wav", job="2")], [OURS, A], {}, "free free"),
    "its own project": ([doubt(found=False, own="p", born=NOW + 60)], [OURS], {"p": [G]}, "bought"),
    "its own project, empty": ([doubt(found=False, own="p")], [OURS], {}, "free"),
    "its own project, and another's": ([doubt(own="p")], [OURS, project(key="q")],
                                       {"p": [G], "q": [generation("h")]}, "held"),
    "a generation that another job has": ([doubt(own="p")], [OURS], {"p": [generation("known")]}, "free"),
    "an account without anything known": ([doubt()], [A], {"p": [G]}, "held"),
    "an empty account": ([doubt()], [], {}, "held"),
    "bought under a name that is gone": ([doubt("b.wav")], [OURS, A], {"p": [G]}, "held"),
    "the same, of another kind": ([doubt("b.mp3")], [OURS, A], {"p": [G]}, "free"),
    "the same, long ago": ([doubt("b.wav")], [OURS, project(at=NOW - 1e6)], {"p": [G]}, "free"),
    "the same, of a row of the copy": ([doubt("b.wav", found=False)], [OURS, A], {"p": [G]}, "free"),
    "a file that can't be read": ([doubt(sha256=None)], [OURS], {}, "held"),
    "a row whose file is gone": ([doubt(sha256=None, born=None)], [OURS], {}, "free"),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_certain_needs_no_person(case: str) -> None:
    doubts, listed, generations, expected = CASES[case]
    assert verdict(doubts, listed, generations) == expected


def test_content_that_another_job_has_bought_is_a_person_s() -> None:
    """An inbox under another name, say: by its own name there is nothing at the service that is not known."""
    assert verdict([doubt()], [OURS], {}, bought="aa") == "held"


def test_names_are_compared_as_they_are_sent() -> None:
    odd = os.fsdecode(b"x\xff.wav")
    assert verdict([doubt(f"show/{odd}")], [OURS, project("x\\xff.wav")], {"p": [G]}) == "bought"


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
    def meanwhile(self: asking.Asking, inboxes: object) -> asking.Settled:
        found = marker_file.read(str(old.outbox))
        assert found is not None
        marker_file.replace(str(old.outbox), replace(found, counter=found.counter + 1))
        return asking.Settled()

    monkeypatch.setattr(asking.Asking, "settle", meanwhile)
    done = old.cmd("journal", "rebuild")
    assert done.code == 1
    assert "works on in the outbox of a" in done.err
