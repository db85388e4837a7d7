"""No sequence of events, faults, restarts and people's words breaks the invariants."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pipeline_house import DAY, House
from sounds import sound

from diffio_watch.job import ENDED, OPEN, TRANSITIONS, State
from diffio_watch.journal import Answer
from diffio_watch.sandbox import Sandbox

CALLS = ["create_project", "start", "part", "complete", "complete_project_upload", "put", "generate", "progress",
         "link", "download", "list_generations", "*"]
FAULTS: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (400, 401, 403, 404, 409, 410, 429, 500, 503)),
    {"kind": "status", "status": 402, "body": '{"error": "paymentFailed"}'},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "600"}},
    {"kind": "reset"}, {"kind": "reset", "after": True}, {"kind": "close", "after": True},
    {"kind": "html"}, {"kind": "broken_json", "after": True}, {"kind": "redirect"},
    {"kind": "truncate", "at": 7}, {"kind": "expired"}, {"kind": "wrong_range"},
    {"kind": "fields", "fields": {"apiProjectId": "proj_other"}}, {"kind": "fields", "fields": {"status": "failed"}},
    {"kind": "fields", "fields": {"generationId": None}}, {"kind": "fields", "fields": {"sizeBytes": 1}},
]
NAMES = ["a.wav", "sub/b.wav", "c.wav"]
KEY = "key-of-the-house"


class Life(RuleBasedStateMachine):
    """A house through which anything may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="life-"))
        self.service = Sandbox(seconds=30, part_bytes=1024)
        self.service.start()
        self.fresh: Counter[str] = Counter()  # paths: further generations that a person asked for
        self.contents: dict[str, set[bytes]] = {}
        self.projects: dict[str, str] = {}  # job: the project of its intent
        self.house = House(self.base / "house", self.service)

    @initialize(form=st.sampled_from(["put", "multipart"]))
    def begin(self, form: str) -> None:
        self.service.change(upload=form)

    @rule(name=st.sampled_from(NAMES), version=st.integers(0, 1))
    def drop(self, name: str, version: int) -> None:
        content = sound(f"{name} {version}")
        self.contents.setdefault(name, set()).add(content)
        path = self.house.inbox() / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self.house.place("podcasts", name, read=True)

    @rule(call=st.sampled_from(CALLS), fault=st.sampled_from(FAULTS), times=st.integers(1, 4))
    def break_something(self, call: str, fault: dict[str, Any], times: int) -> None:
        self.service.fault(call, times=times, **fault)

    @rule(account=st.sampled_from(["ok", "auth", "inactive", "billing", "spend_limit"]))
    def change_account(self, account: str) -> None:
        self.service.change(account=account)

    @rule(seconds=st.sampled_from([0.0, 20.0, 100.0, 4000.0]))
    def pass_time(self, seconds: float) -> None:
        self.house.run(seconds)

    @rule(key=st.sampled_from([None, "another-key", KEY, KEY]))
    def change_key(self, key: str | None) -> None:
        self.house.key = key

    @rule()
    def restart(self) -> None:
        self.house.restart()

    @rule(name=st.sampled_from(NAMES))
    def vanish(self, name: str) -> None:
        (self.house.inbox() / name).unlink(missing_ok=True)
        self.house.journal.files.vanish("podcasts", [name])

    @rule(name=st.sampled_from(NAMES), command=st.sampled_from(["retry", "approve", "bump", "cancel"]),
          discard=st.booleans())
    def say(self, name: str, command: str, discard: bool) -> None:
        self.ask(command, name, discard=discard)

    @precondition(lambda self: any(job.state in ENDED for job in self.house.journal.jobs.newest()))
    @rule(name=st.sampled_from(NAMES))
    def pay_again(self, name: str) -> None:
        answer = self.ask("retry", name, fresh=True)
        if answer is not None and answer.jobs:
            self.fresh[name] += 1

    @rule(command=st.sampled_from(["pause", "resume"]))
    def pause(self, command: str) -> None:
        self.house.ask(command)

    def ask(self, command: str, name: str, **more: Any) -> Answer | None:
        jobs = self.house.journal.jobs.at("podcasts", name)
        return self.house.ask(command, jobs=[jobs[0].id], **more) if jobs else None

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        """At most one charge a content at a place, and one for each further generation that a person asked for."""
        paid = Counter[str]()
        for project in self.service.projects():
            paid[project["file_name"]] += project["charges"]
        for name, contents in self.contents.items():
            assert paid[Path(name).name] <= len(contents) + self.fresh[name], (name, paid)

    @invariant()
    def what_may_be_paid_for_keeps_its_project(self) -> None:
        for job in self.house.journal.jobs.newest():
            if job.paid:
                assert job.project_id is not None
                assert self.projects.setdefault(job.id, job.project_id) == job.project_id
            else:
                assert job.generation_id is None or job.duplicate_of is not None

    @invariant()
    def every_step_was_a_legal_one(self) -> None:
        for job in self.house.journal.jobs.newest():
            states = [event.state for event in self.house.journal.jobs.history(job.id)]
            for before, after in pairwise(states):
                assert before is after or after in TRANSITIONS[before]
            assert states[-1] is job.state

    @invariant()
    def every_open_job_goes_on_by_itself(self) -> None:
        """It is due, or intake has been asked to look at its file."""
        for job in self.house.journal.jobs.newest(OPEN):
            assert job.due_at is not None or (job.because is not None and job.because.code == "changed")

    @invariant()
    def what_waits_for_a_person_says_so(self) -> None:
        for job in self.house.journal.jobs.newest({State.HELD, State.FAILED}):
            assert job.because is not None
            assert job.because.action

    @invariant()
    def nothing_torn_is_seen_and_nothing_leaks(self) -> None:
        assert self.service.leaks == []
        assert self.service.trapped == []
        for path in self.house.outbox().rglob("*.json"):
            self.house._check_told("podcasts", path)

    def teardown(self) -> None:
        """When all faults are over, everything comes to its end, and what was delivered is right."""
        try:
            self.service.calm()
            self.service.change(account="ok")
            self.house.key = KEY
            self.house.ask("resume")
            while self.house.journal.jobs.newest(OPEN):
                self.house.run(DAY)
                self.house.chores()
                for name in NAMES:  # intake, which was asked to look, finds what is there
                    if (self.house.inbox() / name).exists():
                        self.house.place("podcasts", name, read=True)
            self.nothing_is_paid_twice()
            self.nothing_torn_is_seen_and_nothing_leaks()
            assert self.house.halts.all().keys() <= {"account"}, self.house.halts.all()
        finally:
            self.house.close()
            self.service.close()
            shutil.rmtree(self.base)


TestLife = pytest.mark.slow(Life.TestCase)
# threads make a life differ from its repetition, so a failed one is told as it was, and not shortened
TestLife.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None,
                             phases=[Phase.generate], suppress_health_check=list(HealthCheck))
