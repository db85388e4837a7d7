"""The API: what the commands show, and what they ask."""

from __future__ import annotations

from typing import Any

import pytest
from service_page import BEARER, Answer, Place, request

from diffio_watch.job import Job, State
from diffio_watch.reasons import because
from diffio_watch.service import snapshot


def test_status_is_what_the_command_shows_and_the_screen(place: Place) -> None:
    place.add("a.wav", state=State.FAILED, because=because("empty"))
    found = place.get("/api/status").json
    assert found["jobs"]["failed"] == 1
    assert found["screen"]["may"] == {"read": True, "change": False}
    assert place.get("/api/status", BEARER).json["screen"]["may"] == {"read": True, "change": True}


def test_a_request_gets_the_daemons_answer_in_its_words(place: Place) -> None:
    job = place.add("a.wav", state=State.HELD, because=because("daily_limit", detail="x"))
    answer = place.post("/api/requests", {"command": "cancel", "args": {"jobs": [job.id]}}, BEARER)
    assert answer.json == {"ok": True, "exit": 0, "done": True, "count": 1,
                           "lines": [f"podcasts:a.wav {answer.json['lines'][0].partition(' ')[2]}"]}


def test_of_two_who_have_the_same_recording_open_only_the_first_decides_about_it(place: Place) -> None:
    """And a recording that was dropped again has no buttons: the newer one has them."""
    failed = {"state": State.FAILED, "because": because("generation_failed", detail="x"), "project_id": "p",
              "uploaded": True, "intent_at": 1.0}
    job, other = (place.add(path, generation_id=path, **failed) for path in ("a.wav", "b.wav"))
    one, two = (place.get(f"/api/jobs/{job.id}").json["offers"] for _ in range(2))
    assert [offer["id"] for offer in one] == ["fresh", "cancel"]
    leave = one[1]
    asked = {"command": leave["command"], "args": leave["args"]}
    assert place.post("/api/requests", asked, BEARER).json["count"] == 1
    again = place.post("/api/requests", {"command": two[0]["command"], "args": two[0]["args"]}, BEARER).json
    assert (again["count"], again["lines"][0][:26]) == (0, "Nothing of this is left to")
    assert place.get(f"/api/jobs/{other.id}").json["offers"] != []
    place.add("b.wav", state=State.DELIVERED, run=2)
    assert place.get(f"/api/jobs/{other.id}").json["offers"] == []


@pytest.mark.parametrize(("command", "more"), [("approve", {}), ("retry", {"fresh": True})])
def test_what_buys_is_asked_by_name_only_with_what_was_seen_of_it(
    place: Place, command: str, more: dict[str, Any],
) -> None:
    """Lists and single jobs tell how far the history went; what changed since is not bought on an older word."""
    facts = {"project_id": "p", "uploaded": True, "intent_at": 1.0, "generation_id": "g",
             "base_url": place.config().api.base_url}
    one, other = (place.add(path, state=State.HELD, because=because("conflict", detail="x"), **facts)
                  for path in ("a.wav", "b.wav"))

    def ask(seen: dict[str, Any], *jobs: Job) -> Answer:
        return place.post("/api/requests", {"command": command, "args": {
            "jobs": [job.id for job in jobs], **more, **seen}}, BEARER)

    blind = ask({}, one)
    assert (blind.status, "`seen`" in blind.error, place.journal.jobs.get(one.id)) == (400, True, one)
    listed, told = place.get("/api/jobs").json["seen"], place.get(f"/api/jobs/{one.id}").json["seen"]
    place.journal.jobs.commit(other, because=because("unproven", job=other.id))
    assert (ask({"seen": told}, one).json["count"], ask({"seen": listed}, other).json["count"]) == (1, 0)
    assert ask({"seen": place.get("/api/jobs").json["seen"]}, other).json["count"] == 1


def test_events_tell_all_at_once_then_what_changes_and_end_with_the_page(place: Place) -> None:
    with place.connect() as wire:
        wire.sendall(request("GET", "/api/events", {"Host": "localhost"}))
        got = b""
        while b"event: beat" not in got:
            got += wire.recv(65536)
        assert b"x-accel-buffering: no" in got
        assert got.count(b"event: screen") == 1
        place.add("a.wav")
        while got.count(b"event: screen") < 2:
            got += wire.recv(65536)
        place.web.stop()
        while piece := wire.recv(65536):
            got += piece
        assert got.endswith(b"0\r\n\r\n")
    assert "error" not in place.log.read_text()


def test_a_browser_under_an_unknown_name_is_told_in_plain_words(place: Place) -> None:
    answer = place.get("/", {"Host": "nas.example"})
    assert (answer.status, answer.headers["content-type"]) == (421, "text/plain; charset=utf-8")
    assert answer.body.startswith(b"This page does not know that it is called nas.example.")


def test_every_answer_has_the_strict_headers_and_data_is_kept_by_nobody(place: Place) -> None:
    for path, status in (("/", 200), ("/page/main.js", 200), ("/api/status", 200), ("/api/jobs/x", 404), ("/x", 404),
                         ("/api/jobs?state=x", 400), ("/healthz", 200), ("/api/requests", 405)):
        answer = place.get(path)
        assert answer.status == status, path
        assert "require-trusted-types-for 'script'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers
        if path.startswith("/api/") and status != 405:
            assert answer.headers["cache-control"] == "no-store"
    tag = place.get("/").headers["etag"]
    assert place.get("/", {"If-None-Match": tag}).status == 304


def test_lists_come_page_by_page_and_say_what_is_no_list(place: Place) -> None:
    ids = [place.add(f"{number}.wav", state=State.FAILED, because=because("empty")).id for number in range(5)]
    found, before = list[str](), ""
    while True:
        page = place.get(f"/api/jobs?state=failed&reason=empty&inbox=podcasts&limit=2&before={before}").json
        found += [one["id"] for one in page["jobs"]]
        before = page["next_before"]
        if before is None:
            break
    assert found == ids[::-1]
    assert page["jobs"][0]["words"].startswith("This recording was not restored")
    assert place.get("/api/jobs?q=3.wav").json["jobs"][0]["id"] == ids[3]
    for query in ("state=x", "reason=<b>", "inbox=../..", "before=x", "limit=-1", "before=" + "9" * 30):
        assert place.get(f"/api/jobs?{query}").status == 400, query


def test_a_look_that_fails_is_told_and_the_streams_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.connect() as wire:
        wire.sendall(request("GET", "/api/events", {"Host": "localhost"}))
        got = b""
        while b"event: screen" not in got:
            got += wire.recv(65536)

        def breaks(_: object) -> None:
            raise RuntimeError("a fault")

        monkeypatch.setattr(snapshot, "take", breaks)
        place.add("a.wav")
        beats = got.count(b"event: beat")
        while got.count(b"event: beat") < beats + 2:
            got += wire.recv(65536)
    assert place.log.read_text().count('"page.broke"') == 1
    assert place.get("/api/status").status == 500
    assert place.get("/healthz").status == 200
