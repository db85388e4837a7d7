"""Nothing goes back a step without a pause and a count; what was shown and is gone was taken: it is delivered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import DAY, House

from diffio_watch.job import OPEN, Job, Output, State
from diffio_watch.outbox import Outbox
from diffio_watch.pipeline.outcome import Outcome
from diffio_watch.pipeline.worker import _Way
from diffio_watch.sandbox import Sandbox


class HotFolder:
    """Another program that takes files out of an outbox as soon as they appear: just after a step has shown one."""

    def __init__(self, house: House, takes: Callable[[Path], bool]) -> None:
        self.taken: list[str] = []
        outbox = house.outbox()
        real = Outbox.present

        def present(self_: Outbox, output: Output) -> bool:
            for path in list(outbox.rglob("*")):
                if path.is_file() and takes(path):
                    self.taken.append(path.name)
                    path.unlink()
            return real(self_, output)

        self.present = present


@pytest.mark.parametrize("outputs", [["auto"], ["audio", "transcript"]])
def test_what_a_hot_folder_takes_as_it_appears_is_delivered_with_a_note(
    make_house: MakeHouse, service: Sandbox, outputs: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = make_house(inboxes={"podcasts": {"outputs": outputs}})
    hot = HotFolder(house, lambda path: ".restored." in path.name and not path.name.startswith("."))
    monkeypatch.setattr(Outbox, "present", hot.present)
    job_id = house.drop("a.wav")
    house.finish()
    assert hot.taken == ["a.restored.wav"]
    job = house.job(job_id)
    assert job.state is State.DELIVERED
    assert sum("taken away" in note for note in job.notes) == 1
    assert house.calls()["download"] == len(outputs)
    told = json.loads((house.outbox() / "a.wav.json").read_bytes())
    assert told["outputs"][0]["path"] == "a.restored.wav"
    assert told["notes"] == list(job.notes)
    assert service.charges == 1


def test_what_an_earlier_process_showed_and_is_gone_is_fetched_once_more(house: House) -> None:
    """The power may have gone, and a disk that can't sync folders may have lost the name: nobody took anything."""
    job_id = house.drop("a.wav")
    while not (house.outbox() / "a.restored.wav").exists():
        _one_step(house, house.job(job_id))
    house.restart()
    (house.outbox() / "a.restored.wav").unlink()
    house.finish()
    house.check_delivered(job_id)
    assert house.calls()["download"] == 2


def _one_step(house: House, job: Job) -> None:
    """A step and what it came to, as if the power went right after it."""
    way = _Way(job)
    outcome = house.worker._step(way, house.tools)
    if way.passed:
        house.worker._commit(way, Outcome(), house.tools)
    if outcome.rest or job.state is State.WAITING:
        house.clock.advance(2)


def test_what_is_taken_while_it_is_hidden_is_fetched_again_after_growing_pauses(
    house: House, service: Sandbox, monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Outbox.publish

    def publish(self: Outbox, job: Job, output: Output) -> None:
        for path in house.outbox().rglob(".*wav*"):
            path.unlink()
        for path in house.outbox().rglob(f".*{job.id}*"):
            path.unlink()
        real(self, job, output)

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "publish", publish)
        job_id = house.drop("a.wav")
        house.run(DAY)
        job = house.job(job_id)
        assert job.state in OPEN
        assert job.because is not None
        assert (job.because.code, "hidden" in job.because.action) == ("disk", True)
        assert 10 <= house.calls()["download"] <= 40, "hourly in the end"
    house.finish()
    house.check_delivered(job_id)
    assert service.charges == 1


def test_a_name_that_is_taken_again_and_again_is_left_alone_for_longer_each_time(
    house: House, monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Outbox.publish

    def publish(self: Outbox, job: Job, output: Output) -> None:
        assert output.path is not None
        (house.outbox() / output.path).write_text("something else")
        real(self, job, output)

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "publish", publish)
        job_id = house.drop("a.wav")
        house.run(3600)
        assert house.job(job_id).state in OPEN
        assert len(list(house.outbox().glob("*restored*"))) <= 12
    house.finish()
    assert house.job(job_id).state is State.DELIVERED


def test_upload_sessions_that_vanish_again_and_again_cost_no_herd_of_projects(house: House) -> None:
    """They are neither in memory nor in the state folder."""
    house.tools.sessions.keep = lambda *_: None  # type: ignore[method-assign]  # on purpose
    job_id = house.drop("a.wav")
    house.run(3600)
    assert house.calls()["create_project"] <= 12
    del house.tools.sessions.keep  # the class's own again
    house.finish(3 * 3600)
    assert house.job(job_id).state is State.DELIVERED
