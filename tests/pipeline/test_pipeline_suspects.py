"""Whose trouble it is: one job's own, or everybody's."""

from __future__ import annotations

from diffio_watch.pipeline.suspects import Suspects


def test_what_a_job_meets_again_after_another_passed_is_its_own_trouble() -> None:
    suspects = Suspects()
    assert not suspects.met("s", "a")
    assert not suspects.met("s", "a"), "nobody has passed yet"
    suspects.passed("s", "b")
    assert not suspects.own("s", "a"), "the stop may have been over just then"
    assert suspects.met("s", "a")
    assert suspects.own("s", "a")
    assert suspects.owners("s") == {"a"}
    suspects.passed("s", "a")
    assert not suspects.own("s", "a")
    assert not suspects.met("s", "a")


def test_a_call_of_nobodys_is_a_pass_too() -> None:
    suspects = Suspects()
    suspects.met("s", "a")
    suspects.passed("s", "")
    assert suspects.met("s", "a")


def test_an_origin_that_answers_one_call_may_have_lost_another() -> None:
    suspects = Suspects()
    suspects.met("s", "a", "part")
    suspects.passed("s", "b", "start")
    assert not suspects.met("s", "a", "part")
    assert suspects.calls("s") == {"part"}
    suspects.passed("other", "b", "part")
    assert not suspects.met("s", "a", "part")
    suspects.passed("s", "b", "part")
    assert suspects.met("s", "a", "part")


def test_who_was_let_through_longest_ago_is_told_first_until_the_stop_is_over() -> None:
    suspects = Suspects()
    for one in ("a", "b", "c", "a"):
        suspects.ask("s", one)
    assert suspects.asked("s") == ["b", "c", "a"]
    suspects.ask_again("s", "c")
    assert suspects.asked("s") == ["b", "a"]
    suspects.over("s")
    assert suspects.asked("s") == []


def test_memory_stays_bounded() -> None:
    suspects = Suspects()
    for n in range(6000):
        suspects.met("s", str(n))
        suspects.ask("s", str(n))
    assert len(suspects.showed("s")) == len(suspects.asked("s")) == 5000
    assert "5999" in suspects.showed("s")
