"""Stops end, whatever happened to what was stopped."""

from __future__ import annotations

import threading

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.api import Observation
from diffio_watch.config import KeyMissing
from diffio_watch.job import State
from diffio_watch.journal import Halt
from diffio_watch.pipeline.outcome import Stop
from diffio_watch.reasons import because


def test_a_key_that_is_away_halts_the_account_and_work_goes_on_with_the_next_one(house: House) -> None:
    house.service.change(seconds=100)
    one = house.drop("a.wav")
    house.run(5)
    assert house.job(one).state is State.WAITING
    key, house.key = house.key, None
    house.run(600)
    assert [halt.because.code for halt in house.halts.all().values()] == ["auth"]
    house.key = key
    house.finish()
    house.check_delivered(one)


def test_stops_of_what_the_configuration_changed_or_has_no_more_end_with_a_restart(make_house: MakeHouse) -> None:
    house = make_house(inboxes={"old": {}, "new": {}})
    _halt(house, "inbox:old:inbox", "unavailable", detail="x")
    _halt(house, "inbox:new:model", "model_retired", model="x")
    _halt(house, "inbox:new:outbox", "outbox_full")
    del house.inboxes["old"]
    house.restart()
    assert list(house.halts.all()) == ["inbox:new:outbox"]


def _halt(house: House, scope: str, code: str, **facts: str) -> None:
    house.journal.halts.set(Halt(scope, because(code, **facts), house.clock.now(), house.clock.now() + 5))
    house.halts.reload()


@pytest.mark.parametrize("role", ["api", "upload", "storage"])
def test_an_outage_of_an_origin_that_is_asked_no_more_ends(house: House, role: str) -> None:
    jobs = [house.drop(f"{n}.wav") for n in range(3)]
    _halt(house, f"origin:{role}:https://old.example", "service_down", origin="https://old.example", detail="x")
    house.run(120)
    assert house.halts.all() == {}
    house.check_delivered(*jobs)


def test_a_probe_passes_over_jobs_of_inboxes_that_are_no_longer_configured(make_house: MakeHouse) -> None:
    house = make_house(inboxes={"old": {}, "new": {}})
    house.drop("a.wav", inbox="old")
    kept = house.drop("b.wav", inbox="new")
    del house.inboxes["old"]
    house.restart()
    scope = f"origin:api:{house.tools.api.origin}"
    _halt(house, scope, "service_down", origin="x", detail="x")
    house.run(600)
    assert house.halts.all() == {}
    assert house.job(kept).state is State.DELIVERED


def test_a_paid_job_is_not_hidden_behind_jobs_that_a_pause_keeps(house: House) -> None:
    unpaid = house.job(house.drop("a.wav"))
    house.journal.jobs.commit(house.journal.jobs.commit(unpaid, state=State.UPLOADING), state=State.GENERATING,
                              project_id="p",
                         base_url=house.tools.base_url, uploaded=True, due_at=house.clock.now() + 9999)
    paid = house.drop("b.wav")
    house.service.fault(call="generate", kind="reset", times=2)
    house.work()
    assert house.job(paid).state is State.GENERATING
    assert house.job(paid).paid
    house.ask("pause")
    house.journal.jobs.commit(house.job(unpaid.id), due_at=house.clock.now())
    house.run(600)
    assert house.job(paid).state is State.DELIVERED


class _SlowKey:
    """A key whose file is on a slow disk, and is gone when the disk answers."""

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.asked.set()
        assert self.answers.wait(20)
        raise KeyMissing("There is no API key.", "Put one in place.")


def test_nobody_waits_for_a_key_that_is_read_slowly_and_is_not_there(house: House) -> None:
    """Not the journal, and none of those who begin, probe, end and read stops while the decision to spend is made."""
    job = house.job(house.drop("a.wav"))
    house.journal.jobs.commit(house.journal.jobs.commit(job, state=State.UPLOADING), state=State.GENERATING,
                              project_id="p",
                         base_url=house.tools.base_url, uploaded=True, due_at=house.clock.now())
    _halt(house, "inbox:old:model", "model_retired", model="x")
    house.tools.key = key = _SlowKey()
    house.dispatcher.give_out(house.clock.now())
    assert key.asked.wait(10)

    def others() -> None:
        now = house.clock.now()
        house.halts.begin(Stop("inbox:other:outbox", because("outbox_full")), now)
        house.halts.probing(house.halts.all()["inbox:old:model"], now)
        house.halts.observe(Observation("https://x", "storage", ok=True, error=None))
        house.halts.end("inbox:old:model")
        house.ask("pause")

    thread = threading.Thread(target=others, daemon=True)
    thread.start()
    thread.join(5)
    waits = thread.is_alive()
    key.answers.set()
    thread.join(10)
    assert not thread.is_alive(), "they wait for one another"
    assert not waits, "they waited for the key"
    while house.dispatcher.busy:
        assert house.dispatcher._wake.wait(10)
        house.dispatcher._wake.clear()
    assert house.halts.all()["account"].because.code == "auth"
