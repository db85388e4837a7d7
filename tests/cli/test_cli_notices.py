"""What commands say of notices: who is told, whether they get it, and what came of the last message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_place import Place
from receivers import Receiver, mail_server, receiver

from diffio_watch.journal import Lock
from diffio_watch.journal.notice_records import NoticesState, Result
from diffio_watch.service.notices import send


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFIO_API_KEY", "some-key")


def configure(place: Place, **notify: Any) -> None:
    place.config_file.write_text(json.dumps(json.loads(place.config_file.read_text()) | {"notify": notify}))


def found(place: Place, *words: str) -> list[tuple[str, str]]:
    ran = place.run("check", "--offline", "--json", *words)
    findings: list[dict[str, Any]] = ran.json["findings"]
    return [(one["level"], one["message"]) for one in findings if one["subject"] == "notices"]


def test_check_says_nothing_of_notices_where_nobody_is_told_but_where_a_test_is_wanted(place: Place) -> None:
    assert found(place) == []
    ((level, message),) = found(place, "--notify")
    assert (level, "nobody to send a test to" in message) == ("warning", True)


def test_check_sends_a_test_and_says_what_came_of_each_address(place: Place, web: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "urls"
    with mail_server() as box:
        file.touch(0o600)
        file.write_text(f"{box.url()}\njson://127.0.0.1:1/CANARY\n")
        configure(place, urls=[web.url("CANARY")], urls_file=str(file), heartbeat=web.url("CANARY", "http"))
        told = found(place, "--notify")
    assert [level for level, _ in told] == ["ok", "ok", "error", "ok"]
    assert "has taken a test" in told[0][1]
    assert "127.0.0.1:1 was sent a test. The server refuses connections." in told[2][1]
    assert "heartbeat" in told[3][1]
    assert "CANARY" not in str(told)
    assert web.subjects == [box.mails[0]["Subject"]] == ["A test of diffio-watch: this address is told"]


def test_check_alone_sends_nothing(place: Place, web: Receiver) -> None:
    configure(place, urls=[web.url("CANARY")])
    ((level, message),) = found(place)
    assert level == "ok"
    assert f"json://127.0.0.1:{web.port}" in message
    assert "CANARY" not in message
    assert web.asked == []


def test_check_finds_a_file_of_passwords_that_everybody_reads_and_one_that_is_not_there(
        place: Place, tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("json://127.0.0.1:1/x\n")
    file.chmod(0o644)
    configure(place, urls_file=str(file))
    assert [level for level, _ in found(place)] == ["warning", "ok"]
    file.unlink()
    ((level, message),) = found(place)
    assert (level, "can't be read" in message) == ("warning", True)


def test_check_and_status_say_that_the_extra_is_missing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "available", lambda: False)
    configure(place, urls=["json://127.0.0.1:1/x"])
    ((level, message),) = found(place, "--notify")
    assert (level, "not installed" in message) == ("error", True)
    with place.journal() as journal, Lock(place.state):
        journal.notices.set_state(NoticesState(1, send.MISSING))
        assert "extra `notify`" in " ".join(place.run("status").out.split())


def test_status_tells_what_came_of_the_last_message(place: Place) -> None:
    with place.journal() as journal, Lock(place.state):
        assert place.run("status", "--json").json["notices"] is None
        journal.notices.set_state(NoticesState(2))
        notice = journal.notices.begin("files", 1_800_000_000.0, 3, "in: 3 recordings were not restored", "b")
        journal.notices.end(replace(notice, ended_at=5.0, results=(
            Result("1", "json://host", ok=True),
            Result("2", "mailto://mail.example", ok=False, error="The server refuses connections."))))
        told = place.run("status", "--json").json["notices"]
        assert (told["addresses"], told["latest"][0]["taken"]) == (2, 1)
        assert told["trouble"] == told["message"] == (
            "Mail to mailto://mail.example failed: The server refuses connections.")
        assert "Notices: Mail to mailto://mail.example failed" in " ".join(place.run("status").out.split())
        journal.notices.end(replace(notice, ended_at=5.0, results=(Result("1", "json://host", ok=True),)))
        told = place.run("status", "--json").json["notices"]
        assert told["trouble"] is None
        assert "in: 3 recordings were not restored" in told["message"]
