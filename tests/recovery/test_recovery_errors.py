"""The journal is lost while there are, or were, error files: what had failed may have been paid for since."""

from __future__ import annotations

import shutil

import pytest
from recovery_house import House

from diffio_watch.job import Job, State


def text(house: House) -> None:
    (house.inbox / "text.wav").write_bytes(b"no sound at all")


def reason(job: Job) -> tuple[State, str]:
    assert job.because is not None
    return job.state, job.because.code


def paid_and_waiting(house: House, *paths: str, charges: int = 1) -> None:
    house.sandbox.change(seconds=3600)
    with house.running():
        house.wait(lambda: all(house.states().get(path) is State.WAITING for path in paths))
    house.check(charges)


def test_what_was_sent_as_it_is_and_lost_is_not_paid_for_again_unasked(house: House) -> None:
    text(house)
    assert house.once() == 1
    assert house.cmd("retry", "--as-is", "a:text.wav").code == 0
    paid_and_waiting(house, "text.wav")
    assert house.names() == set()
    house.lose_journal()
    house.rebuild()
    assert reason(house.jobs()["text.wav"]) == (State.FAILED, "not_media")
    assert house.cmd("retry", "--as-is", "a:text.wav").code == 0
    assert house.once() == 1
    job = house.jobs()["text.wav"]
    assert reason(job) == (State.HELD, "unproven")
    assert job.because is not None
    (project,) = (one["id"] for one in house.sandbox.projects())
    assert project in job.because.message
    assert house.told("text.wav.error.json").because is not None
    house.check(1)
    assert house.cmd("approve", "a:text.wav").code == 0
    paid_and_waiting(house, "text.wav", charges=2)  # with a person's word


def test_an_error_file_from_before_the_payment_is_not_believed(house: House) -> None:
    """The outbox, too, came back from an older copy."""
    house.drop("a.wav", 1)
    house.sandbox.fault("create_project", "status", status=400)
    assert house.once() == 1
    shutil.copytree(house.outbox, house.base / "older outbox")
    house.sandbox.calm()
    assert house.cmd("retry", "a:a.wav").code == 0
    paid_and_waiting(house, "a.wav")
    house.lose_journal()
    shutil.copytree(house.base / "older outbox", house.outbox, dirs_exist_ok=True)
    house.rebuild()
    assert reason(house.jobs()["a.wav"]) == (State.FAILED, "rejected")  # its reason is worth more than a question
    for _ in range(2):
        assert house.cmd("retry", "a:a.wav").code == 0
        assert house.once() == 1
        assert reason(house.jobs()["a.wav"]) == (State.HELD, "unproven")
        assert house.cmd("cancel", "a:a.wav").code == 0  # and taking it up again is no approval
    house.check(1)


def test_an_old_copy_does_not_know_what_was_retried_since(house: House) -> None:
    house.drop("a.wav", 1)
    house.drop("b.wav", 2)
    house.sandbox.fault("create_project", "status", status=400)
    assert house.once() == 1
    assert house.cmd("cancel", "a:b.wav").code == 0
    house.sandbox.calm()
    kept = house.keep()
    assert house.cmd("retry", "a:a.wav", "a:b.wav").code == 0
    paid_and_waiting(house, "a.wav", "b.wav", charges=2)
    house.put_back(kept)
    house.rebuild()
    assert house.cmd("retry", "a:a.wav", "a:b.wav").code == 0
    assert house.once() == 1
    assert {reason(job) for job in house.jobs().values()} == {(State.HELD, "unproven")}
    house.check(2)


def test_what_is_no_recording_fails_for_that_after_a_rebuild_too(house: House) -> None:
    text(house)
    assert house.once() == 1
    house.lose_journal()
    (house.outbox / "text.wav.error.json").unlink()
    done = house.rebuild()
    assert "held" not in done.out
    assert reason(house.jobs()["text.wav"]) == (State.FAILED, "not_media")
    refused = house.cmd("retry", "--fresh", "--yes", "a:text.wav")
    assert refused.code == 1
    assert "never sent" not in refused.err + refused.out  # nobody knows
    house.once()
    assert house.names() == {"text.wav.error.json"}
    house.check(0)


@pytest.mark.parametrize("journal", ["whole", "rebuilt before the file came"])
def test_where_the_journal_can_tell_a_retry_is_no_question(house: House, journal: str) -> None:
    if journal != "whole":
        house.rebuild()
    text(house)
    house.drop("a.wav", 1)
    house.sandbox.fault("create_project", "status", status=400)
    assert house.once() == 1
    house.sandbox.calm()
    if journal == "whole":
        house.rebuild()
    assert house.cmd("retry", "--as-is", "a:text.wav").code == 0
    assert house.cmd("retry", "a:a.wav").code == 0
    paid_and_waiting(house, "a.wav", "text.wav", charges=2)
