"""Every stage with every status and connection fault, at the wire, and the one right answer to each.

A row is a fault that stands until it is taken away, a column is the call it hits. Each cell says what the job has
come to when nothing more can be done at that moment. Then the fault goes away and time passes: the job ends
delivered with one charge, or where a person has to say so, after they did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.job import OPEN, Job, State
from diffio_watch.sandbox import Sandbox

STAGES: Final = {  # column: the call at the wire, the state whose step makes it
    "create": ("create_project", State.UPLOADING),
    "start": ("start", State.UPLOADING),
    "part": ("part", State.UPLOADING),
    "complete": ("complete", State.UPLOADING),
    "confirm": ("complete_project_upload", State.UPLOADING),
    "put": ("put", State.UPLOADING),
    "generate": ("generate", State.GENERATING),
    "progress": ("progress", State.WAITING),
    "link": ("link", State.DOWNLOADING),
    "download": ("download", State.DOWNLOADING),
}


@dataclass(frozen=True)
class Answer:
    """What a cell's word means.

    Attributes:
        code: of the job's reason; None: it has none, for something else is stopped.
        due: seconds until the job is due again; None: it is due, or never again.
        halt: scope and code of what is stopped besides.
        projects: how many the service has of the file in the end.
        end: how it goes on when the fault is over.
    """

    code: str | None
    due: float | None = None
    state: State | None = None  # if it is not the stage's own
    halt: tuple[str, str] | None = None
    projects: int = 1
    end: Literal["by itself", "retry", "approve"] = "by itself"


_MODEL: Final = "inbox:podcasts:model"
ANSWERS: Final = {
    "park": Answer("service_error", 15),
    "slow": Answer("rate_limited", 15),
    "7s": Answer("rate_limited", 7),
    "1h": Answer("rate_limited", 3600),
    "7s!": Answer("service_error", 7),
    "wait": Answer("not_ready", 15),
    # lost answers of create_project leave empty projects behind, one a try
    "spare": Answer("service_error", 15, projects=3),
    # the session or URL is gone: another project at once, and a third when the pause is over
    "new": Answer("service_error", 15, projects=3),
    # another link at once, and then later
    "link": Answer("service_error", 60),
    "15min": Answer("service_error", 900),
    # the key may fetch nothing at all, so nothing more is bought
    "15min!": Answer("service_error", 900, halt=("inbox:podcasts:download", "forbidden")),
    "auth": Answer(None, halt=("account", "auth")),
    "bill": Answer(None, halt=("account", "billing")),
    "spend": Answer(None, halt=("account", "spend_limit")),
    # what is paid for is not stopped by it, so it has to be parked
    "bill+": Answer("service_error", 15, halt=("account", "billing")),
    "spend+": Answer("service_error", 15, halt=("account", "spend_limit")),
    "retired": Answer(None, halt=(_MODEL, "model_retired")),
    "unknown": Answer(None, halt=(_MODEL, "model_unknown")),
    "forbid": Answer(None, halt=(_MODEL, "forbidden")),
    "conflict": Answer("conflict", state=State.HELD, end="approve"),
    "rejected": Answer("rejected", state=State.FAILED, end="retry"),
    # what the service has of the upload is no use once it failed
    "refused": Answer("rejected", state=State.FAILED, end="retry", projects=2),
    "no-output": Answer("output_unavailable", state=State.FAILED, end="retry"),
}

# faults by name: how the sandbox is told
BILL: Final = '{"error": "paymentFailed"}'
SPEND: Final = '{"error": {"code": "spendLimitExceeded", "message": "no more"}, "periodEnd": "2099-01-01T00:00:00Z"}'
CONFLICT: Final = '{"error": "used", "code": "idempotencyKeyConflict"}'
FAULTS: Final[dict[str, dict[str, Any]]] = {
    **{str(status): {"kind": "status", "status": status, "body": '{"error": "words"}'}
       for status in (400, 401, 403, 404, 405, 408, 409, 410, 413, 418, 425, 429, 500, 502, 503, 504)},
    "402 billing": {"kind": "status", "status": 402, "body": BILL},
    "402 spend": {"kind": "status", "status": 402, "body": SPEND},
    "409 conflict": {"kind": "status", "status": 409, "body": CONFLICT},
    "429 7 s": {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}},
    "429 a year": {"kind": "status", "status": 429, "headers": {"Retry-After": "31536000"}},
    "503 7 s": {"kind": "status", "status": 503, "headers": {"Retry-After": "7"}},
    "502 page": {"kind": "html", "status": 502},
    "301": {"kind": "redirect", "status": 301},
    "307": {"kind": "redirect", "status": 307},
    "reset": {"kind": "reset"},
    "close": {"kind": "close"},
    "stall": {"kind": "stall"},
    "102 stall": {"kind": "informational"},
    "reset late": {"kind": "reset", "after": True},
    "close late": {"kind": "close", "after": True},
    "stall late": {"kind": "stall", "after": True},
    "cut answer": {"kind": "truncate", "at": 5},
    "page": {"kind": "html"},
    "page late": {"kind": "html", "after": True},
    "broken JSON": {"kind": "broken_json", "after": True},
    "a list": {"kind": "status", "status": 200, "body": "[]", "after": True},
    "huge": {"kind": "huge", "size": 2 << 20, "after": True},
    "empty": {"kind": "status", "status": 200, "body": "", "after": True},
}

TABLE: Final = """
fault         create    start  part  complete confirm   put   generate  progress  link       download
400           rejected  new    new   new      refused   new   rejected  rejected  no-output  link
401           auth      new    new   new      auth      new   auth      auth      auth       link
402 billing   bill      new    new   new      bill      new   bill      bill+     bill+      link
402 spend     spend     new    new   new      spend     new   spend     spend+    spend+     link
403           forbid    new    new   new      15min     new   forbid    auth      15min!     link
404           park      new    new   new      new       new   unknown   wait      wait       link
405           rejected  new    new   new      refused   new   rejected  rejected  no-output  link
408           park      park   park  park     park      park  park      park      park       park
409           wait      new    new   new      wait      new   wait      wait      wait       link
409 conflict  -         -      -     -        -         -     conflict  -         -          -
410           rejected  new    new   new      refused   new   retired   rejected  rejected   link
413           rejected  refused refused refused refused refused rejected rejected no-output link
418           rejected  new    new   new      refused   new   rejected  rejected  no-output  link
425           park      park   park  park     park      park  park      park      park       park
429           slow      slow   slow  slow     slow      slow  slow      slow      slow       slow
429 7 s       7s        7s     7s    7s       7s        7s    7s        7s        7s         7s
429 a year    1h        1h     1h    1h       1h        1h    1h        1h        1h         1h
500           park      park   park  park     park      park  park      park      park       park
502           park      park   park  park     park      park  park      park      park       park
503           park      park   park  park     park      park  park      park      park       park
503 7 s       7s!       7s!    7s!   7s!      7s!       7s!   7s!       7s!       7s!        7s!
504           park      park   park  park     park      park  park      park      park       park
502 page      park      park   park  park     park      park  park      park      park       park
301           park      park   park  park     park      park  park      park      park       park
307           park      park   park  park     park      park  park      park      park       park
reset         park      park   park  park     park      park  park      park      park       park
close         park      park   park  park     park      park  park      park      park       park
stall         park      park   park  park     park      park  park      park      park       park
102 stall     park      park   park  park     park      park  park      park      park       park
reset late    spare     park   park  park     park      park  park      park      park       park
close late    spare     park   park  park     park      park  park      park      park       park
stall late    spare     park   park  park     park      park  park      park      park       park
cut answer    spare     park   park  park     park      -     park      park      park       -
page          park      park   park  park     park      park  park      park      park       link
page late     spare     park   park  park     park      park  park      park      park       link
broken JSON   spare     park   park  -        park      -     park      park      park       link
a list        spare     park   park  -        park      -     park      park      park       link
huge          spare     park   park  -        park      -     park      park      park       link
empty         spare     park   park  -        park      -     park      park      park       link
"""


def cells() -> list[Any]:
    """The table's cells, each with its fault, stage and answer."""
    lines = [line for line in TABLE.splitlines() if line]
    stages = lines[0].split()[1:]
    found = []
    for line in lines[1:]:
        fault = next(name for name in sorted(FAULTS, key=len, reverse=True) if line.startswith(name))
        words = line[len(fault):].split()
        assert len(words) == len(stages) == len(STAGES), line
        found += [pytest.param(fault, stage, word, id=f"{fault}-{stage}")
                  for stage, word in zip(stages, words, strict=True) if word != "-"]
    return found


@pytest.mark.parametrize(("fault", "stage", "word"), cells())
def test_the_matrix(fault: str, stage: str, word: str, make_house: MakeHouse, service: Sandbox) -> None:
    call, state = STAGES[stage]
    answer = ANSWERS[word]
    service.change(upload="put" if stage == "put" else "multipart")
    house = make_house(api={"read_timeout": 0.2 if "stall" in fault else 5})
    job_id = house.drop("talk.wav")
    rule = service.fault(call, **FAULTS[fault])
    run_until(house, job_id, state)
    assert rule.fired

    job = house.job(job_id)
    check_cell(house, job, answer, state)
    service.calm()
    if answer.state is not None:
        house.work()
        assert house.job(job_id) == job, "it ended, so nothing touches it by itself"
        house.ask(answer.end, jobs=[job_id])
    house.finish()
    house.check_delivered(job_id)
    house.run(60)  # what stopped others without stopping this job is probed by then
    assert house.halts.all() == {}
    assert house.projects_of("talk.wav") == answer.projects
    assert len(house.alerts()) == (answer.halt is not None)


def run_until(house: House, job_id: str, state: State) -> None:
    """Let everything happen that is before the fault; it hits in `state`, with no further time passing."""
    house.work()
    while (job := house.job(job_id)).because is None and not house.halts.all() and job.state in OPEN:
        at = house.next_moment()
        assert at is not None
        house.clock.advance(at - house.clock.now())
        house.work()
    if job.because is not None and job.because.code in {"rejected", "output_unavailable", "conflict"}:
        return
    assert job.state is state


def check_cell(house: House, job: Job, answer: Answer, state: State) -> None:
    now = house.clock.now()
    assert job.state is (answer.state or state)
    assert (job.because.code if job.because else None) == answer.code, job.because
    if answer.due is not None:
        assert job.due_at is not None
        assert job.due_at - now == pytest.approx(answer.due, abs=0.01)
    halts = {(halt.scope, halt.because.code) for halt in house.halts.all().values()}
    assert halts == ({answer.halt} if answer.halt else set())
    paid = state in {State.WAITING, State.DOWNLOADING}
    assert house.service.charges <= 1
    assert paid <= (house.service.charges == 1)
    assert house.visible() == set(), "nothing appears before it is whole"
    house.check()
