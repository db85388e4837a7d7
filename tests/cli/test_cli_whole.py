"""What people ask for, done by a real daemon against the sandbox: paid for once, unless a person asks for more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import programs
import pytest
from cli_place import Place, command

from diffio_watch.cli.sample import write_samples
from diffio_watch.sandbox import Sandbox

pytestmark = pytest.mark.slow


@contextmanager
def running(place: Place, service: Sandbox, **inbox: Any) -> Iterator[None]:
    """The daemon as a process of its own."""
    text = place.config_file.read_text().replace("http://127.0.0.1:1/v1", service.base_url)
    for name, value in inbox.items():
        text = text.replace('"name": "podcasts"', f'"name": "podcasts", "{name}": "{value}"')
    place.config_file.write_text(text)
    env = place.env | {"DIFFIO_WATCH_CONFIG": str(place.config_file), "DIFFIO_API_KEY": "k"}
    with (place.root / "log").open("ab") as log, programs.Program(command("run"), env=env, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(10) == 0


def until(holds: Callable[[], bool], seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def states(place: Place) -> list[str]:
    return [job["state"] for job in place.run("jobs", "--json").json]


def test_outputs_that_were_moved_away_are_fetched_again_and_a_fresh_run_is_paid_for(place: Place) -> None:
    with Sandbox(seconds=0) as service, running(place, service, settle="500ms"):
        write_samples(place.inbox)
        until(lambda: states(place) == ["delivered"] * 3)
        restored = place.outbox / "show 12" / "interview.restored.wav"
        content = restored.read_bytes()
        restored.unlink()
        assert "fetches the missing outputs" in place.run("retry", "in/show 12/interview.wav").out
        until(lambda: restored.exists() and states(place) == ["delivered"] * 3)
        assert restored.read_bytes() == content
        assert service.charges == 3
        assert place.run("retry", "--fresh", "--yes", "--model", "diffio-4.6-pro", "in/welcome.wav").code == 0
        until(lambda: states(place) == ["delivered"] * 4)
        assert service.charges == 4
        assert (place.outbox / "welcome.restored (2).wav").is_file()
        assert (place.outbox / "welcome.wav (2).json").is_file()
        assert len(service.projects()) == 3
        assert service.violations == []


def test_a_pause_keeps_new_files_waiting_until_it_is_over(place: Place) -> None:
    with Sandbox(seconds=0) as service, running(place, service, settle="500ms"):
        until(lambda: place.run("pause", "podcasts").code == 0)  # as soon as there is a journal
        write_samples(place.inbox)
        until(lambda: states(place) == ["queued"] * 3)
        explained = place.run("status", "--json").json["inboxes"][0]["stopped"]
        assert explained["reason"] == "paused"
        last = place.run("jobs", "--json").json[-1]["id"]
        assert place.run("cancel", last).code == 0
        assert service.calls == {}
        place.run("resume", "podcasts")
        until(lambda: sorted(states(place)) == ["cancelled", "delivered", "delivered"])
        assert service.charges == 2
        assert place.run("retry", last).code == 0
        until(lambda: states(place) == ["delivered"] * 3)
        assert service.charges == 3


def test_a_cancelled_upload_is_aborted_and_a_discarded_generation_goes_on_when_asked(place: Place) -> None:
    with Sandbox(seconds=600, part_bytes=1 << 14) as service, running(place, service, settle="500ms"):
        slow = service.fault("part", "throttle", rate=2000)
        write_samples(place.inbox)
        shutil.rmtree(place.inbox / "show 12")
        until(lambda: "uploading" in states(place) and service.calls.get("part", 0) > 0)
        job = next(one["id"] for one in place.run("jobs", "--json").json if one["path"] == "welcome.wav")
        assert place.run("cancel", job).code == 0
        until(lambda: service.calls.get("abort", 0) > 0)
        assert not [*(place.state / "sessions").glob("*.json")]
        assert slow.fired
        service.calm()
        assert place.run("retry", job).code == 0
        until(lambda: place.job(job).state == "waiting")
        assert place.run("cancel", job).code == 1
        assert place.run("cancel", "--discard", job).code == 0
        assert place.run("retry", job).code == 0
        service.skip(600)
        until(lambda: place.job(job).state == "delivered")
        assert service.charges == 1


def test_a_copy_is_skipped_with_a_sidecar_and_costs_nothing(place: Place) -> None:
    with Sandbox(seconds=0) as service, running(place, service, settle="500ms"):
        (first, *_) = write_samples(place.inbox)
        until(lambda: states(place) == ["delivered"] * 3)
        shutil.copyfile(first, place.inbox / "copy.wav")
        until(lambda: "skipped" in states(place))
        assert service.charges == 3
        assert (place.outbox / "copy.wav.json").is_file()
