"""A drop is a wish: what is dropped anew and is not in the outbox is fetched again; only bytes show what is there."""

from __future__ import annotations

import os

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import DAY, House
from sounds import sound

from diffio_watch.job import State
from diffio_watch.sandbox import Sandbox


def delivered(house: House, path: str = "a.wav") -> str:
    job_id = house.drop(path, sound("a"))
    house.finish()
    assert house.job(job_id).state is State.DELIVERED
    return job_id


def again(house: House, path: str = "a.wav", content: bytes | None = None) -> str:
    """The same content is dropped once more, later."""
    place = house.inbox() / path
    place.unlink(missing_ok=True)
    place.write_bytes(sound("a") if content is None else content)
    os.utime(place, ns=(1, 1_700_000_000_000_000_000))
    job_id = house.place("podcasts", path, read=True)
    for _ in range(2):
        house.chores()
        house.finish()
    return job_id


def take(house: House) -> None:
    """An editor takes everything out of the outbox."""
    for path in house.visible():
        (house.outbox() / path).unlink()


def test_what_is_dropped_anew_after_its_result_was_taken_is_fetched_again_for_nothing(
    house: House, service: Sandbox,
) -> None:
    job_id = delivered(house)
    take(house)
    assert again(house) == job_id
    house.check_delivered(job_id)
    assert house.visible() == {"a.restored.wav", "a.wav.json"}
    assert service.charges == 1
    assert house.job(job_id).wish == ""


def test_what_is_dropped_anew_and_has_its_result_in_the_outbox_is_left_alone(house: House, service: Sandbox) -> None:
    job_id = delivered(house)
    before = house.calls()
    assert again(house) == job_id
    assert house.calls() == before
    assert house.job(job_id).wish == ""


def test_another_take_under_the_name_and_of_the_size_of_the_result_is_not_the_result(
    house: House, service: Sandbox,
) -> None:
    job_id = delivered(house)
    result = house.outbox() / "a.restored.wav"
    other = bytes(reversed(result.read_bytes()))
    take(house)
    result.write_bytes(other)
    again(house)
    house.check_delivered(job_id)
    assert result.read_bytes() == other
    assert house.visible() == {"a.restored.wav", "a.restored (2).wav", "a.wav (2).json"}
    assert service.charges == 1


def test_a_copy_of_what_another_take_stands_for_is_fetched(house: House, service: Sandbox) -> None:
    delivered(house)
    result = house.outbox() / "a.restored.wav"
    result.write_bytes(bytes(reversed(result.read_bytes())))
    copy = house.drop("b.wav", sound("a"))
    house.finish()
    assert house.job(copy).state is State.DELIVERED
    assert (house.outbox() / "b.restored.wav").read_bytes() == sound("a")
    assert service.charges == 1


def test_a_copy_that_is_dropped_anew_is_fetched_where_there_is_nothing_left(house: House, service: Sandbox) -> None:
    delivered(house)
    copy = house.drop("b.wav", sound("a"), read=True)
    house.finish()
    assert house.job(copy).state is State.SKIPPED
    assert again(house, "b.wav") == copy
    assert house.job(copy).state is State.SKIPPED
    take(house)
    (house.inbox() / "b.wav").unlink()
    house.journal.files.vanish("podcasts", ["b.wav"])
    assert again(house, "b.wav") == copy
    assert house.job(copy).state is State.DELIVERED
    assert house.visible() == {"b.restored.wav", "b.wav.json"}
    assert service.charges == 1


@pytest.mark.parametrize("taken", [True, False])
def test_an_original_that_was_moved_away_goes_again_when_it_is_dropped_anew(
    make_house: MakeHouse, service: Sandbox, *, taken: bool,
) -> None:
    house = make_house(inboxes={"podcasts": {"originals": "delete"}})
    job_id = delivered(house)
    house.chores()
    assert house.job(job_id).original == "deleted"
    house.journal.files.vanish("podcasts", ["a.wav"])
    if taken:
        take(house)
    again(house)
    house.chores()
    assert (house.job(job_id).state, house.job(job_id).original) == (State.DELIVERED, "deleted")
    assert not (house.inbox() / "a.wav").exists()
    assert (house.outbox() / "a.restored.wav").exists()
    assert service.charges == 1


def test_what_a_person_discarded_after_it_was_paid_for_is_had_when_it_is_dropped_anew(
    house: House, service: Sandbox,
) -> None:
    service.change(seconds=60)
    job_id = house.drop("a.wav", sound("a"))
    house.run(5)
    house.ask("cancel", jobs=[job_id], discard=True)
    assert again(house) == job_id
    house.check_delivered(job_id)


def test_a_wish_never_buys(house: House, service: Sandbox) -> None:
    """A failed generation, and a file that a person cancelled before it was paid for."""
    service.change(failing={"a.wav": "too quiet"})
    failed = house.drop("a.wav", sound("a"))
    house.finish()
    left = house.drop("b.wav", sound("b"), read=True)
    house.ask("cancel", jobs=[left])
    again(house)
    again(house, "b.wav", sound("b"))
    assert [house.job(one).state for one in (failed, left)] == [State.FAILED, State.CANCELLED]
    assert service.charges == 1


def test_what_comes_back_where_another_content_waited_is_fetched_for_the_job_that_has_it(
    house: House, service: Sandbox,
) -> None:
    """Nobody had read what waited there, so only the pipeline sees that the older content is back."""
    first = delivered(house)
    take(house)
    house.ask("pause")
    house.drop("a.wav", sound("other"))
    house.drop("a.wav", sound("a"))
    house.ask("resume")
    house.finish()
    house.chores()
    house.finish()
    assert house.job(first).state is State.DELIVERED
    assert house.visible() == {"a.restored.wav", "a.wav.json"}
    assert service.charges == 1


def test_a_copy_is_had_on_a_day_whose_limit_is_reached(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(limits={"daily_files": 1})
    delivered(house)
    copy = house.drop("b.wav", sound("a"))
    house.finish()
    assert house.job(copy).state is State.SKIPPED


def test_what_can_not_be_looked_for_keeps_no_other_wish_from_its_turn(house: House, service: Sandbox) -> None:
    """Something stands where one file's folder was in the outbox; the file that is wished for after it is fetched."""
    first, other = delivered(house, "sub/a.wav"), house.drop("b.wav", sound("b"))
    house.finish()
    take(house)
    house.outbox().joinpath("sub").rmdir()
    house.outbox().joinpath("sub").symlink_to("elsewhere", target_is_directory=True)
    for path, content in (("sub/a.wav", sound("a")), ("b.wav", sound("b"))):
        again(house, path, content)
    assert (house.job(first).state, house.job(first).wish) == (State.DELIVERED, "anew")
    assert house.visible() == {"b.restored.wav", "b.wav.json"}
    assert [one for one in house.events.entries if one["event"] == "wish.troubled" and one["job"] == first]
    house.outbox().joinpath("sub").unlink()
    house.clock.advance(DAY)
    house.chores()
    house.finish()
    house.check_delivered(first, other)
    assert service.charges == 2
