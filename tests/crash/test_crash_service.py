"""The real daemon, killed from outside at random moments, with a service that loses answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from crash_scenarios import sound
from crash_service import Service

from diffio_watch.disk.marker import NAME
from diffio_watch.job import State
from diffio_watch.journal import Journal
from diffio_watch.outbox import ledger
from diffio_watch.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=0.3, part_bytes=1 << 20) as sandbox:
        yield sandbox


@pytest.fixture
def serve(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[[], Service]]:
    made: list[Service] = []

    def make() -> Service:
        made.append(Service(tmp_path, sandbox.base_url))
        return made[-1]

    yield make
    for service in made:
        service.close()


def test_sixty_files_are_paid_and_delivered_once_whatever_is_lost_or_killed(
    sandbox: Sandbox, serve: Callable[[], Service], request: pytest.FixtureRequest,
) -> None:
    """30 % of all answers are lost after the call took its effect."""
    service, dice = serve(), random.Random(60)
    sandbox.change(part_bytes=16 * 1024)
    lost = sandbox.fault("*", "close", after=True, chance=0.3, seed=60)
    files = {f"day {number % 7}/take {number}.wav": sound(number, 1.2) for number in range(60)}
    for path, content in files.items():
        (service.inbox / path).parent.mkdir(exist_ok=True)
        (service.inbox / path).write_bytes(content)
    for number in range(12):
        service.start()
        # by requests and not by seconds: how far a process comes in a second depends on the machine
        wanted = sum(sandbox.calls.values()) + dice.randint(10, 70)
        service.until(partial(_reached, sandbox, wanted), 60)
        service.kill()
        if number == 5:
            sandbox.change(upload="put")  # the service's older form, from here on
    service.start()
    service.until(lambda: len(service.delivered()) == 60, 150)
    service.until(lambda: service.counts() == {State.DELIVERED: 60}, 10)
    assert service.stop() == 0
    assert service.delivered() == sorted(files)
    assert sandbox.charges == 60
    assert sorted(sandbox.charges_by_project.values()) == [1] * 60
    assert sandbox.violations == []
    assert sandbox.leaks == []
    for path, content in files.items():
        assert (service.outbox / path.replace(".wav", ".restored.wav")).read_bytes() == content
        assert (service.inbox / path).read_bytes() == content
    assert {path.name for path in service.outbox.rglob(".*")} == {NAME, ledger.NAME}
    assert list((service.state / "sessions").iterdir()) == []
    assert lost.fired > 100
    request.node.user_properties += [("kills", service.kills), ("lost answers", lost.fired)]


def _reached(sandbox: Sandbox, calls: int) -> bool:
    return sum(sandbox.calls.values()) >= calls


def test_a_killed_upload_resends_no_confirmed_part(
    sandbox: Sandbox, serve: Callable[[], Service], request: pytest.FixtureRequest,
) -> None:
    service = serve()
    resent = upload_with_kills(service, sandbox, parts=64, kills=3)
    assert resent <= 3, "more than the part under way at each kill"
    request.node.user_properties.append(("kills", service.kills))


def _parts_reached(sandbox: Sandbox, parts: int) -> bool:
    return sandbox.calls.get("part", 0) >= parts


def test_a_cancelled_upload_is_released_at_the_service_and_its_token_forgotten(
    sandbox: Sandbox, serve: Callable[[], Service],
) -> None:
    service = serve()
    sandbox.change(part_bytes=16 * 1024)
    sandbox.fault("part", "delay", seconds=0.3)
    (service.inbox / "take.wav").write_bytes(sound(1, 20))
    service.start()
    service.until(partial(_parts_reached, sandbox, 2), 60)
    with Journal.open(service.state) as journal:
        (job,) = journal.jobs.newest()
        journal.requests.ask("cancel", {"jobs": [job.id]})
    service.until(lambda: sandbox.calls.get("abort") == 1, 30)
    service.until(lambda: not list((service.state / "sessions").iterdir()), 10)
    assert service.stop() == 0
    assert service.counts() == {State.CANCELLED: 1}
    assert sandbox.charges == 0
    assert sandbox.violations == []


def upload_with_kills(service: Service, sandbox: Sandbox, *, parts: int, kills: int) -> int:
    """Upload a file of so many parts in spite of some kills; how many parts were sent twice."""
    size = parts * sandbox.settings.part_bytes
    fresh = service.inbox / "long.wav.part"  # junk until it is whole
    with fresh.open("wb") as file:
        file.write(sound(0, 0.1)[:4] + (size - 8).to_bytes(4, "little") + sound(0, 0.1)[8:40]
                   + (size - 44).to_bytes(4, "little"))
        while file.tell() < size:
            file.write(random.randbytes(min(1 << 20, size - file.tell())))
    fresh.rename(service.inbox / "long.wav")
    confirmed: dict[int, int] = {}  # how often the service had a part when it was first known to be confirmed
    for kill in range(1, kills + 1):
        service.start()
        service.until(partial(_parts_reached, sandbox, parts * kill // (kills + 1)), 60)
        service.kill()
        with Journal.open(service.state, read_only=True) as journal:
            (job,) = journal.jobs.newest()
            had = sandbox.parts(job.project_id or "")
            confirmed = {part.number: had[part.number] for part in journal.jobs.parts(job.id)} | confirmed
    assert len(confirmed) >= parts // 2
    service.start()
    service.until(lambda: service.delivered() == ["long.wav"], 120)
    assert service.stop() == 0
    ((project, charges),) = sandbox.charges_by_project.items()
    assert charges == 1
    received = sandbox.parts(project)
    assert set(received) == set(range(1, parts + 1))
    assert {number: received[number] for number in confirmed} == confirmed
    assert sandbox.violations == []
    return sum(received.values()) - parts
