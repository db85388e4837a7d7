"""The API: what the commands show, and what they ask."""

from __future__ import annotations

from service_page import BEARER, Place, request

from diffio_watch.job import State
from diffio_watch.reasons import because


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
