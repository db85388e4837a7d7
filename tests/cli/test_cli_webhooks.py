"""What commands say of webhooks: whether they can come in, and whether they do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_place import Place

from diffio_watch.cli import arrival
from diffio_watch.cli.base import Workplace
from diffio_watch.journal import Lock
from diffio_watch.journal.webhooks import WebhookFacts, remember
from diffio_watch.report.webhooks import MISMATCH, PROOF
from diffio_watch.sandbox import Sandbox

SECRET = "whsec_dGhlLXNlY3JldC1vZi10aGVzZS10ZXN0cw=="


@pytest.fixture
def secret(place: Place) -> Path:
    file = place.root / "secret"
    file.touch(0o600)
    file.write_text(SECRET)
    return file


@pytest.fixture(autouse=True)
def _own_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFIO_API_KEY", "some-key")
    monkeypatch.delenv("DIFFIO_WEBHOOK_SECRET", raising=False)


def configure(place: Place, **webhook: str) -> None:
    place.config_file.write_text(json.dumps(json.loads(place.config_file.read_text()) | {"webhook": webhook}))


def found(place: Place) -> list[tuple[str, str]]:
    findings: list[dict[str, Any]] = place.run("check", "--offline", "--json").json["findings"]
    return [(one["level"], one["message"]) for one in findings if one["subject"] == "webhooks"]


@pytest.fixture
def running(place: Place) -> Iterator[None]:
    """As if a daemon ran."""
    with place.journal(), Lock(place.state):
        yield


def know(place: Place, facts: WebhookFacts | None) -> None:
    with place.journal() as journal:
        remember(journal, facts)


def test_check_says_nothing_of_webhooks_where_none_are_configured(place: Place) -> None:
    assert found(place) == []


def test_check_finds_the_secret_and_the_address(place: Place, secret: Path) -> None:
    configure(place, secret_file=str(secret), listen="127.0.0.1:8481")
    assert found(place) == [("ok", ("They are received at 127.0.0.1:8481, path /webhooks/diffio, and checked with 1 "
                                   "secret."))]
    secret.write_text(f"{SECRET}\n{SECRET.replace('dGhl', 'AAAA')}\n")
    assert found(place)[0][1].endswith("2 secrets.")
    secret.chmod(0o644)
    assert found(place)[0][0] == "warning"
    secret.write_text("my secret")
    assert [level for level, _ in found(place)] == ["error"]
    secret.unlink()
    assert [level for level, _ in found(place)] == ["error"]


def test_check_tells_a_secret_that_nothing_receives_with_and_an_address_without_a_secret(
        place: Place, secret: Path) -> None:
    configure(place, secret_file=str(secret))
    assert found(place) == [("warning", "There is a secret, and nothing that receives them.")]
    configure(place, listen="127.0.0.1:8481")
    assert [level for level, _ in found(place)] == ["error"]


@pytest.mark.usefixtures("running")
def test_what_is_refused_is_told_by_check_and_status(place: Place, secret: Path) -> None:
    configure(place, secret_file=str(secret), listen="127.0.0.1:8481")
    know(place, WebhookFacts("127.0.0.1:8481", refused=3, since=1e9, why=MISMATCH, doubt=True))
    assert [level for level, _ in found(place)] == ["ok", "warning"]
    assert MISMATCH in place.run("status").out
    told = place.run("status", "--json").json["webhooks"]
    assert told == {"message": f"The last 3 webhooks were refused. {MISMATCH} {PROOF}", "listens": "127.0.0.1:8481",
                    "last_at": None, "refused": 3, "reliable": False}
    know(place, WebhookFacts("127.0.0.1:8481", at=1e9, reliable=True))
    assert "Webhooks" not in place.run("status").out
    told = place.run("status", "--json").json["webhooks"]
    assert told["message"].startswith("The last one came on 2001-09-")
    assert told["last_at"] == "2001-09-09T01:46:40Z"
    know(place, None)
    assert place.run("status", "--json").json["webhooks"] is None


def test_of_a_daemon_that_does_not_run_nothing_is_told(place: Place) -> None:
    know(place, WebhookFacts("127.0.0.1:8481", refused=3, since=1e9, why=MISMATCH, doubt=True))
    assert place.run("status", "--json").json["webhooks"] is None
    assert MISMATCH not in place.run("status").out


class TestEvent:
    @pytest.fixture
    def service(self, place: Place) -> Iterator[Sandbox]:
        with Sandbox(seconds=0) as sandbox:
            place.config_file.write_text(
                place.config_file.read_text().replace("http://127.0.0.1:1/v1", sandbox.base_url))
            yield sandbox

    @pytest.mark.usefixtures("service")
    def test_where_no_daemon_waits_for_it_it_says_so(self, place: Place) -> None:
        done = place.run("remote", "test-event")
        assert done.code == 0
        assert "none runs" in done.out
        assert place.run("remote", "test-event", "--json").json["arrived"] is None
        with place.journal(), Lock(place.state):
            assert "webhook.secret_file" in place.run("remote", "test-event").out

    @pytest.mark.usefixtures("service", "running")
    def test_one_that_does_not_arrive_in_time_is_told_with_what_to_look_at(self, place: Place) -> None:
        know(place, WebhookFacts("127.0.0.1:8481"))
        done = place.run("remote", "test-event", "--wait", "0.2")
        assert done.code == 1
        assert "has not arrived within 0.2 s" in done.err
        assert "127.0.0.1:8481" in done.err
        know(place, WebhookFacts("127.0.0.1:8481", secret="The file is empty."))
        done = place.run("remote", "test-event", "--wait", "0.2")
        assert done.code == 1
        assert "The file is empty." in done.err
        know(place, WebhookFacts("127.0.0.1:8481", refused=5, since=1e9, why=MISMATCH))
        done = place.run("remote", "test-event", "--wait", "0.2")
        assert done.code == 1
        assert f"{MISMATCH} Copy the endpoint's secret" in done.err

    @pytest.mark.usefixtures("running")
    def test_a_forged_one_that_comes_first_does_not_make_it_say_that_its_own_was_refused(self, place: Place) -> None:
        before = WebhookFacts("127.0.0.1:8481")
        know(place, replace(before, refused=1, since=1e9, why=MISMATCH))
        later = threading.Timer(0.3, lambda: know(place, replace(before, events=("evt_1",))))
        later.start()
        try:
            assert arrival.wait_for(Workplace(place.config), "evt_1", before, 20).arrived
        finally:
            later.join()
