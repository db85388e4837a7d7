"""Metrics: what the journal knows when it is asked, under names and labels that dashboards rely on."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from service_page import BEARER, Place

from diffio_watch.clock import Clock
from diffio_watch.config import Config
from diffio_watch.job import Job, Settings, State, new_id
from diffio_watch.journal import Halt, Journal
from diffio_watch.reasons import REASONS, Kind, because
from diffio_watch.service.metrics import Metrics

PROMTOOL = shutil.which("promtool")
NAMES = {
    "build_info": {"version"}, "jobs": {"inbox", "state"}, "oldest_open_seconds": {"inbox"}, "halted": {"reason"},
    "inbox_available": {"inbox"}, "last_scan_timestamp_seconds": {"inbox"}, "settling_files": {"inbox"},
    "daily_limit_ratio": set[str](), "bought_minutes_total": {"inbox", "model"},
    "transferred_bytes_total": {"direction"}, "api_requests_total": {"kind", "status"}, "webhooks_total": {"result"},
    "stage_seconds_bucket": {"stage", "le"}, "stage_seconds_sum": {"stage"}, "stage_seconds_count": {"stage"},
}


def parsed(text: str) -> dict[tuple[str, ...], float]:
    """Series by name and labels in order."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line).groups()  # type: ignore[union-attr]  # all do
            found[(name, *re.findall(r'\w+="[^"]*"', labels or ""))] = float(value)
    return found


class Traffic:
    def requests(self) -> dict[tuple[str, str], int]:
        return {(f"call_{kind}", status): 3 for kind in range(12) for status in ("2xx", "429", "5xx", "none")}

    def transferred(self) -> dict[str, int]:
        return {"up": 7, "down": 8}


def config(tmp_path: Path, *names: str, **more: Any) -> Config:
    rows = [{"name": name, "path": f"/{name}/in", "outbox": f"/{name}/out"} for name in names or ("podcasts",)]
    return Config.of({"inboxes": rows, "state_dir": tmp_path, **more})


class Hand(Clock):
    at = 2e9

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def journal(tmp_path: Path, clock: Hand) -> Any:
    with Journal.open(tmp_path, clock, create=True) as opened:
        yield opened


Scrape = Callable[..., dict[tuple[str, ...], float]]


@pytest.fixture
def scrape(tmp_path: Path, journal: Journal) -> Scrape:
    made: dict[tuple[str, ...], Metrics] = {}

    def once(*names: str, **more: Any) -> dict[tuple[str, ...], float]:
        if names not in made:
            made[names] = Metrics(lambda: config(tmp_path, *names, **more), journal, Traffic(), lambda: {"accepted": 1})
        return parsed(made[names].scrape().decode())

    return once


def a_job(path: str, **facts: Any) -> Job:
    return Job(**{"id": new_id(), "inbox": "podcasts", "path": path, "size": 10, "mtime_ns": 1, "settings": Settings(),
                  "created_at": 2e9, "updated_at": 2e9, "detected_at": 2e9, **facts})


def test_each_name_has_its_labels_and_no_other(scrape: Scrape, journal: Journal) -> None:
    journal.jobs.add([a_job("a.wav", intent_at=2e9, minutes=3.0)])
    found: dict[str, set[str]] = {}
    for name, *labels in scrape():
        if name.startswith("diffio_watch_"):
            found.setdefault(name.removeprefix("diffio_watch_"), set()).update(one.split("=")[0] for one in labels)
    assert found == NAMES


def test_every_reason_to_stop_is_always_there(scrape: Scrape, journal: Journal) -> None:
    codes = {code for code, reason in REASONS.items() if reason.kind in {Kind.HALT, Kind.INBOX}}
    before = {labels[0].split('"')[1]: value for (name, *labels), value in scrape().items()
              if name == "diffio_watch_halted"}
    assert before == dict.fromkeys(codes, 0)
    journal.halts.set(Halt("account", because("billing", detail="x"), 2e9, None))
    journal.halts.pause("*")
    after = scrape("podcasts", "films")
    assert after["diffio_watch_halted", 'reason="billing"'] == 1
    assert after["diffio_watch_halted", 'reason="paused"'] == 2


def test_jobs_are_counted_by_inbox_and_state_wherever_they_go(scrape: Scrape, journal: Journal) -> None:
    def counted() -> dict[tuple[str, State], int]:
        rows = journal.rows("SELECT inbox, state, count(*) AS n FROM jobs GROUP BY inbox, state")
        assert journal.totals.by_inbox() == {(row["inbox"], State(row["state"])): row["n"] for row in rows}
        return journal.totals.by_inbox()

    journal.jobs.add([a_job("a.wav"), a_job("b.wav", state=State.DELIVERED), a_job("c.wav", inbox="gone",
                                                                                     state=State.SKIPPED)])
    assert counted() == {("podcasts", State.QUEUED): 1, ("podcasts", State.DELIVERED): 1, ("gone", State.SKIPPED): 1}
    (job,) = journal.jobs.at("podcasts", "a.wav")
    job = journal.jobs.commit(job, state=State.FAILED, because=because("empty"))
    assert counted()["podcasts", State.FAILED] == 1
    job = journal.jobs.commit(job, state=State.QUEUED, because=None)
    assert ("podcasts", State.FAILED) not in counted()
    with journal.transaction() as db:
        db.execute("UPDATE jobs SET inbox = 'talks' WHERE inbox = 'podcasts'")
    assert counted() == {("talks", State.QUEUED): 1, ("talks", State.DELIVERED): 1, ("gone", State.SKIPPED): 1}
    found = scrape("talks")
    assert found["diffio_watch_jobs", 'inbox="talks"', 'state="delivered"'] == 1
    assert found["diffio_watch_jobs", 'inbox="talks"', 'state="held"'] == 0
    assert found["diffio_watch_jobs", 'inbox=""', 'state="skipped"'] == 1


def test_what_is_delivered_and_bought_is_added_once_although_it_is_committed_a_little_late(
        scrape: Scrape, journal: Journal, clock: Hand) -> None:
    whole = {"settled_at": 2e9 + 2, "uploaded_at": 2e9 + 10, "generated_at": 2e9 + 11, "completed_at": 2e9 + 71,
             "delivered_at": 2e9 + 72, "state": State.DELIVERED, "intent_at": 2e9 + 10, "minutes": 2.5}
    journal.jobs.add([a_job("before.wav", **whole | {"delivered_at": 2e9 - 1, "intent_at": 2e9 - 1})])
    assert scrape()["diffio_watch_stage_seconds_count", 'stage="waiting"'] == 0, "what was there at the start"
    clock.at += 100
    journal.jobs.add([a_job("a.wav", **whole)])
    for _ in range(3):
        assert scrape()["diffio_watch_stage_seconds_count", 'stage="waiting"'] == 1
    found = scrape()
    assert found["diffio_watch_stage_seconds_sum", 'stage="waiting"'] == pytest.approx(60)
    assert found["diffio_watch_stage_seconds_bucket", 'le="15"', 'stage="waiting"'] == 0
    assert found["diffio_watch_stage_seconds_bucket", 'le="60"', 'stage="waiting"'] == 1
    assert found["diffio_watch_bought_minutes_total", 'inbox="podcasts"', 'model="diffio-4.6-flash"'] == 2.5
    journal.jobs.add([a_job("late.wav", **whole | {"delivered_at": 2e9 + 50})])
    clock.at += 60
    assert scrape()["diffio_watch_stage_seconds_count", 'stage="waiting"'] == 2
    for _ in range(5):
        clock.at += 1000
        assert scrape()["diffio_watch_stage_seconds_count", 'stage="waiting"'] == 2
    journal.jobs.add([a_job("copy.wav", state=State.DELIVERED, delivered_at=clock.at)])
    assert scrape()["diffio_watch_stage_seconds_count", 'stage="waiting"'] == 2, "it skipped all of them"


@pytest.mark.parametrize(("limits", "share"), [({}, 0), ({"daily_files": 8}, 0.25), ({"daily_minutes": 10}, 0.5),
                                               ({"daily_files": 8, "daily_minutes": 10}, 0.5)])
def test_the_day_s_limit_is_told_as_a_share(scrape: Scrape, journal: Journal, clock: Hand, limits: dict[str, int],
                                            share: float) -> None:
    journal.jobs.add([a_job(name, intent_at=clock.at, minutes=2.5) for name in ("a", "b")])
    assert scrape(limits=limits)[("diffio_watch_daily_limit_ratio",)] == share


def test_ten_thousand_files_of_many_kinds_make_three_hundred_series_at_most_and_a_scrape_stays_cheap(
        scrape: Scrape, journal: Journal, clock: Hand) -> None:
    assert scrape("podcasts", "films", "radio")
    clock.at += 10
    codes = sorted(REASONS)
    states = sorted(State)
    journal.jobs.add([
        a_job(f"{number}.wav", inbox=("podcasts", "films", "radio", f"gone {number}")[number % 4],
              state=states[number % len(states)], because=because(codes[number % len(codes)], job="x", inbox="y"),
              intent_at=clock.at, minutes=1.0, delivered_at=clock.at, settled_at=clock.at,
              settings=Settings(model=f"model-{number % 3}")) for number in range(10_000)])
    found = scrape("podcasts", "films", "radio")
    assert len(found) <= 300
    begun = time.process_time()
    for _ in range(5):
        clock.at += 1000
        found = scrape("podcasts", "films", "radio")
    assert (time.process_time() - begun) / 5 < 0.25, "seconds of processor time; a few thousandths as a rule"
    assert sum(value for (name, *_), value in found.items() if name == "diffio_watch_jobs") == 10_000
    assert sum(value for (name, *_), value in found.items() if name == "diffio_watch_bought_minutes_total") == 10_000


def test_models_that_are_too_many_are_counted_together(scrape: Scrape, journal: Journal, clock: Hand) -> None:
    scrape()
    journal.jobs.add([a_job(f"{number}.wav", intent_at=clock.at, minutes=1.0, settings=Settings(model=f"m{number}"))
                      for number in range(500)])
    bought = [value for (name, *_), value in scrape().items() if name == "diffio_watch_bought_minutes_total"]
    assert len(bought) <= 51
    assert sum(bought) == 500


class TestServed:
    def test_who_may_read_the_page_may_scrape(self, place: Place) -> None:
        answer = place.get("/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        away = {"X-Forwarded-For": "192.0.2.7"}
        assert place.get("/metrics", away).status == 401
        assert place.get("/metrics", away | BEARER).status == 200
        assert place.get("/metrics", {"Host": "elsewhere.example"}).status == 421

    @pytest.mark.skipif(PROMTOOL is None, reason="no promtool here")
    def test_promtool_finds_nothing_to_mend(self, place: Place) -> None:
        assert PROMTOOL is not None
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=place.get("/metrics").body, capture_output=True,
                              check=False, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_a_daemon_that_nobody_scrapes_does_without_the_library(self) -> None:
        program = ("import sys, diffio_watch.service.web, diffio_watch.daemon.daemon\n"
                   "assert 'prometheus_client' not in sys.modules")
        import sys  # noqa: PLC0415 - of this test alone

        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
