"""What stops more than one job: told once, probed at growing intervals, over by itself, and costing nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipeline_fixtures import MakeHouse
from pipeline_house import House

from diffio_watch.job import OPEN, State
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.state import Seen

MINUTES = 60.0
ACCOUNT_PROBES = [1, 3, 8, 18, 38, 78, 138, 198]  # minutes after the stop: 1, 2, 5, 10, 20, 40, 60, 60 … apart


class Probes:
    """Notes in minutes after its making when calls came in, as the house's time has it."""

    def __init__(self, house: House, *calls: str) -> None:
        self.at: list[float] = []
        start = house.clock.now()
        house.service.watch(lambda moment, seen: self.at.append(round((house.clock.now() - start) / 60, 2))
                            if moment == "arrived" and seen.call in calls else None)


def states(house: House) -> dict[State, int]:
    return {state: count for state, count in house.journal.totals.by_state().items() if count}


@pytest.mark.parametrize(("account", "call"), [
    ("auth", "progress"), ("inactive", "progress"), ("billing", "generate"), ("spend_limit", "generate")])
def test_an_account_stop_is_told_once_and_probed_at_growing_intervals(
    house: House, service: Sandbox, account: str, call: str,
) -> None:
    service.change(account=account)
    # three show it: with fewer, whoever is uploaded next is the first probe
    service.fault("generate", "delay", seconds=0.5, first=3)
    ids = [house.drop(f"{n}.wav") for n in range(6)]
    house.work()
    code = {"auth": "auth", "inactive": "auth"}.get(account, account)
    assert house.alerts() == [code]
    assert house.halts.all()["account"].because.code == code
    before = house.calls()
    probes = Probes(house, call)
    house.run(200 * MINUTES)
    assert probes.at == [pytest.approx(at, abs=0.2) for at in ACCOUNT_PROBES], "one probe, not a herd"
    assert sum((house.calls() - before).values()) == len(ACCOUNT_PROBES), "and nothing else"
    assert house.alerts() == [code]
    assert all(house.job(one).state in OPEN for one in ids)
    house.drop("later.wav")
    house.work()
    assert service.charges == 0

    service.change(account="ok")
    house.finish(within=70 * MINUTES)
    assert house.alerts("work.resumed") == [code]
    assert house.alerts() == [code]
    house.check_delivered(*[job.id for job in house.journal.jobs.newest()])


@pytest.mark.parametrize("account", ["auth", "billing", "spend_limit"])
def test_resume_probes_a_stop_at_once(house: House, service: Sandbox, account: str) -> None:
    service.change(account=account)
    job_id = house.drop("a.wav")
    house.run(100 * MINUTES)
    service.change(account="ok")
    now = house.clock.now()
    assert house.ask("resume").exit == 0
    house.finish(within=5)
    assert house.clock.now() - now < 5
    house.check_delivered(job_id)


def test_resume_while_it_still_stands_probes_once_and_stays_quiet(house: House, service: Sandbox) -> None:
    service.change(account="billing")
    for n in range(4):
        house.drop(f"{n}.wav")
    house.run(10 * MINUTES)
    before = house.calls()
    house.ask("resume")
    house.work()
    assert house.calls() - before == {"generate": 1}
    assert house.alerts() == ["billing"]


@pytest.mark.parametrize("account", ["billing", "spend_limit"])
def test_what_is_bought_is_fetched_while_the_account_may_not_spend(
    house: House, service: Sandbox, account: str,
) -> None:
    service.change(seconds=600)
    bought = [house.drop(f"bought {n}.wav") for n in range(3)]
    house.run(5)
    assert states(house) == {State.WAITING: 3}
    service.change(account=account)
    waiting = [house.drop(f"later {n}.wav") for n in range(3)]
    house.run(700)
    assert [house.job(one).state for one in bought] == [State.DELIVERED] * 3
    assert all(house.job(one).state in OPEN for one in waiting)
    uploads = house.calls()["create_project"]
    more = house.drop("much later.wav")
    house.run(10 * MINUTES)
    assert house.job(more).state is State.QUEUED
    assert house.calls()["create_project"] == uploads, "new uploads wait too"
    assert house.alerts() == [account]
    service.change(account="ok")
    house.finish()
    house.check_delivered(*bought, *waiting, more)


def test_the_end_of_the_spending_period_is_a_probe(house: House, service: Sandbox) -> None:
    """Probes go on at their intervals, and one more comes when the period ends: a raised limit is seen as well."""
    end = house.clock.now() + 50 * MINUTES
    service.fault("generate", "status", status=402, body=(
        f'{{"error": "spendLimitExceeded", "spendLimitUsd": 100, "periodEnd": {end}}}'))
    job_id = house.drop("a.wav")
    house.work()
    probes = Probes(house, "generate")
    house.run(49 * MINUTES)
    assert probes.at == [pytest.approx(at, abs=0.1) for at in (1, 3, 8, 18, 38)]
    service.calm()
    house.finish(within=61)
    assert house.job(job_id).generated_at == pytest.approx(end, abs=1)
    house.check_delivered(job_id)


def test_without_a_key_nothing_is_sent_and_a_new_one_works_at_the_next_probe(house: House, service: Sandbox) -> None:
    """Also in the middle of everything: a key file that is being replaced must not end the program."""
    service.change(seconds=300)
    waiting = house.drop("waiting.wav")
    house.run(5)
    service.fault("generate", "reset")
    sending = house.drop("sending.wav")
    house.work()
    assert [house.job(one).state for one in (waiting, sending)] == [State.WAITING, State.GENERATING]
    service.calm()
    before, house.key = house.calls(), None
    house.run(400)
    assert house.calls() == before
    assert house.alerts() == ["auth"]
    house.key = "key-of-the-house"
    house.finish()
    house.check_delivered(waiting, sending)


def test_a_forbidden_call_without_a_key_to_probe_with_stops_for_the_key(house: House, service: Sandbox) -> None:
    service.fault("generate", "status", status=403)
    job_id = house.drop("a.wav")

    def gone(moment: str, seen: Seen) -> None:
        if (moment, seen.call) == ("arrived", "generate"):
            house.key = None

    service.watch(gone)
    house.run(10)
    assert house.job(job_id).state is State.GENERATING
    assert house.alerts() == ["auth"]


def outage_of_the_api(service: Sandbox) -> Callable[[], None]:
    service.change(down=["api"])
    return lambda: service.change(down=[])


def outage_by_a_closed_port(service: Sandbox) -> Callable[[], None]:
    service.stop()
    return service.start


@pytest.mark.slow
@pytest.mark.parametrize(("files", "begin"), [(200, outage_of_the_api), (40, outage_by_a_closed_port)])
def test_files_wait_an_hour_of_outage_without_a_herd_and_none_fails(
    make_house: MakeHouse, service: Sandbox, files: int, begin: Callable[[Sandbox], Callable[[], None]],
) -> None:
    house = make_house(limits={"approve_over_files": None})
    house.request_takes = 0.2
    for n in range(20):
        house.drop(f"{n}.wav")
    house.run(0.01)
    end = begin(service)
    ids = [job.id for job in house.journal.jobs.newest()] + [house.drop(f"more {n}.wav") for n in range(files - 20)]
    requests = 0
    observe = house.halts.observe

    def count(seen: object) -> None:
        nonlocal requests
        requests += 1
        observe(seen)  # type: ignore[arg-type]  # passed on as it came

    house.halts.observe = count  # type: ignore[method-assign]  # counted where every request is told
    house.run(60 * MINUTES)
    assert house.alerts() == ["service_down"]
    assert requests < 60, "a handful of probes, not a herd"
    assert not any(house.journal.totals.by_state()[state] for state in (State.FAILED, State.HELD, State.CANCELLED))
    house.request_takes = 0.0
    end()
    house.finish(within=30 * MINUTES)
    assert house.alerts("work.resumed") == ["service_down"]
    house.check_delivered(*ids)


@pytest.mark.parametrize(("role", "origin", "call"), [
    ("api", "api", "create_project"), ("upload", "edge", "part"), ("storage", "storage", "download")])
def test_an_outage_of_one_origin_is_probed_there_and_ends_by_itself(
    house: House, service: Sandbox, role: str, origin: str, call: str,
) -> None:
    """After 5 s, 15 s, 1 min, 2 min, then every 5 min; with one job at a time."""
    house.request_takes = 0.5
    rule = service.fault(call, "status", status=503)
    ids = [house.drop(f"{n}.wav") for n in range(8)]
    while not house.halts.all():
        house.run(1)
    house.request_takes = 0.0
    scope = f"origin:{role}:{service.origins[origin]}"
    assert set(house.halts.all()) == {scope}
    since = house.halts.all()[scope].since
    fired = rule.fired
    house.run(since + 22 * MINUTES - house.clock.now())
    probes = house.halts.all()[scope].probes
    assert probes == 7, "after 5 s, 20 s, 80 s, 200 s, and then each 5 min"
    assert rule.fired - fired == 2 * probes, "one job each, with the tries of a call"
    assert house.alerts() == ["service_down"]
    service.calm()
    house.finish(within=6 * MINUTES)
    assert house.alerts("work.resumed") == ["service_down"]
    house.check_delivered(*ids)


def test_lost_answers_here_and_there_are_no_outage(house: House, service: Sandbox) -> None:
    house.request_takes = 0.3
    service.fault("*", "close", after=True, every=4)
    ids = [house.drop(f"{n}.wav") for n in range(20)]
    house.finish()
    assert house.alerts() == []
    house.check_delivered(*ids)


def test_with_3_of_10_answers_lost_60_files_are_charged_60_times(house: House, service: Sandbox) -> None:
    house.request_takes = 0.3
    service.fault("*", "reset", after=True, chance=0.3, seed=11)
    ids = [house.drop(f"{n}.wav") for n in range(60)]
    house.finish()
    assert service.charges == 60
    house.check_delivered(*ids)


def test_a_rate_limit_of_minutes_slows_every_call_and_fails_none(house: House, service: Sandbox) -> None:
    rule = service.fault("create_project", "status", status=429, headers={"Retry-After": "120"}, times=1)
    ids = [house.drop(f"{n}.wav") for n in range(20)]
    house.work()
    assert rule.fired == 1
    calls = house.calls()
    assert calls["create_project"] <= 4, "those that were under way at once"
    house.run(100)
    assert house.calls() == calls, "nothing is asked while it lasts"
    house.finish(within=10 * MINUTES)
    house.check_delivered(*ids)


def test_a_retired_model_stops_its_inbox_alone(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(inboxes={"old": {"model": "diffio-4.0-pro"}, "new": {}})
    old = [house.drop(f"{n}.wav", inbox="old") for n in range(3)]
    new = [house.drop(f"{n}.wav", inbox="new") for n in range(3)]
    house.run(30 * MINUTES)
    assert [house.job(one).state for one in new] == [State.DELIVERED] * 3
    assert set(house.halts.all()) == {"inbox:old:model"}
    halt = house.halts.all()["inbox:old:model"]
    assert halt.because.code == "model_retired"
    assert "diffio-4.6-flash" in halt.because.action, "it says which models there are"
    assert house.alerts() == ["model_retired"]
    projects = house.calls()["create_project"]
    later = house.drop("later.wav", inbox="old")
    house.run(5 * MINUTES)
    assert house.job(later).state is State.QUEUED
    assert house.calls()["create_project"] == projects, "nothing more is uploaded"
    assert service.charges == 3

    service.change(models="documented")
    house.finish()
    house.check_delivered(*old, *new, later)
    assert {job.settings.model for job in house.journal.jobs.newest(inbox="old")} == {"diffio-4.0-pro"}


def test_a_retired_models_inbox_goes_on_with_a_new_configuration_and_a_persons_word(
    make_house: MakeHouse, service: Sandbox,
) -> None:
    house = make_house(inboxes={"old": {"model": "diffio-4.0-pro"}})
    job_id = house.drop("a.wav", inbox="old")
    house.work()
    house.inboxes["old"]["model"] = "diffio-4.6-pro"
    house.restart()
    later = house.drop("b.wav", inbox="old")
    house.run(2 * MINUTES)
    assert house.job(job_id).state is State.FAILED, "nothing switches by itself"
    assert house.job(later).state is State.DELIVERED
    assert house.ask("retry", jobs=[job_id], fresh=True).exit == 0
    house.finish()
    assert service.charges == 2
    fresh = house.journal.jobs.at("old", "a.wav")[0]
    assert (fresh.run, fresh.settings.model, fresh.project_id) == (2, "diffio-4.6-pro", house.job(job_id).project_id)
    house.check()


def test_an_unknown_model_stops_its_inbox_and_says_so(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(inboxes={"odd": {"model": "diffio-9"}, "new": {}})
    odd, new = house.drop("1.wav", inbox="odd"), house.drop("2.wav", inbox="new")
    house.run(10 * MINUTES)
    assert house.job(new).state is State.DELIVERED
    assert house.halts.all()["inbox:odd:model"].because.code == "model_unknown"
    service.change(more_models=["diffio-9"])
    service.violations.clear()
    house.finish()
    assert house.job(odd).state is State.DELIVERED
    assert service.charges == 2


def test_a_model_beyond_the_plan_stops_its_inbox(make_house: MakeHouse, service: Sandbox) -> None:
    house = make_house(inboxes={"pro": {"model": "diffio-4.6-pro"}, "flash": {}})
    service.change(paid_plan=False)
    pro, flash = house.drop("1.wav", inbox="pro"), house.drop("2.wav", inbox="flash")
    house.run(10 * MINUTES)
    assert house.job(flash).state is State.DELIVERED
    assert house.halts.all()["inbox:pro:model"].because.code == "forbidden"
    assert house.alerts() == ["forbidden"]
    service.change(paid_plan=True)
    house.finish()
    house.check_delivered(pro, flash)


def test_a_stop_outlives_a_restart(house: House, service: Sandbox) -> None:
    service.change(account="billing")
    job_id = house.drop("a.wav")
    house.run(2 * MINUTES)
    before = house.calls()
    house.restart()
    house.work()
    assert house.halts.all()["account"].because.code == "billing"
    assert house.calls() == before
    assert house.alerts() == []
    service.change(account="ok")
    house.finish()
    house.check_delivered(job_id)


def test_a_key_that_may_not_fetch_results_buys_none(make_house: MakeHouse, service: Sandbox) -> None:
    """Nothing is even uploaded; it says why, once an inbox, and goes on by itself when the key may."""
    house = make_house(inboxes={"one": {}, "two": {}}, proven=False)
    service.change(permissions=("read", "write"))
    jobs = [house.drop(f"{number}.wav", inbox=inbox) for inbox in ("one", "two") for number in range(4)]
    house.run(60 * MINUTES)
    assert (service.charges, house.calls()["create_project"]) == (0, 0)
    assert {scope: halt.because.code for scope, halt in house.halts.all().items()} == {
        "inbox:one:download": "forbidden", "inbox:two:download": "forbidden"}
    assert "fetch results" in house.halts.all()["inbox:one:download"].because.message
    assert house.alerts() == ["forbidden"] * 2
    assert house.calls()["link"] <= 24, "probed at growing intervals, by calls that are nobody's"
    service.fault("link", "status", status=503)
    house.run(60 * MINUTES)
    assert service.charges == 0, "no answer is no permission"
    service.calm()
    service.change(permissions=("read", "write", "downloadGenerations"))
    house.finish()
    house.check_delivered(*jobs)


def test_a_key_that_loses_the_right_to_fetch_buys_no_more_and_what_is_bought_waits(
    house: House, service: Sandbox,
) -> None:
    bought = house.drop("bought.wav")
    service.watch(lambda moment, seen: service.change(permissions=("read", "write")) if (
        moment, seen.call) == ("answered", "progress") and not house.halts.all() else None)
    house.run(60)
    assert (house.job(bought).state, service.charges) == (State.DOWNLOADING, 1)
    later = [house.drop(f"{number}.wav") for number in range(3)]
    house.run(60 * MINUTES)
    assert service.charges == 1
    assert house.halts.all()["inbox:podcasts:download"].because.code == "forbidden"
    assert house.job(bought).state is State.DOWNLOADING
    service._origins.observers.clear()
    service.change(permissions=("read", "write", "downloadGenerations"))
    house.finish()
    house.check_delivered(bought, *later)


def test_one_generation_that_may_not_be_fetched_stops_no_other(house: House, service: Sandbox) -> None:
    """"The key does not own the generation" is about one: the key may fetch, as a question about nothing shows."""
    rule = service.fault("link", "status", status=403, body='{"error": "not yours"}', where="1.wav")
    first = house.drop("1.wav")
    house.run(60)
    others = [house.drop(f"{number}.wav") for number in range(2, 6)]
    house.run(60 * MINUTES)
    assert rule.fired
    assert {house.job(one).state for one in others} == {State.DELIVERED}
    assert (house.job(first).state, house.halts.all()) == (State.DOWNLOADING, {})
    service.calm()
    house.finish()
    house.check_delivered(first, *others)


@pytest.mark.parametrize("fault", [{"status": 403}, {"status": 503}, {"status": 400}])
def test_a_service_that_does_not_say_whether_the_key_may_fetch_is_bought_from(
    make_house: MakeHouse, service: Sandbox, fault: dict[str, int],
) -> None:
    """Some forbid whatever they do not know, of the progress as well: that shows nothing about the key."""
    house = make_house(proven=False)
    for call in ("link", "progress"):
        service.fault(call, "status", where="diffio-watch-probe", **fault)
    job_id = house.drop("1.wav")
    house.finish()
    house.check_delivered(job_id)
