"""The page beside the daemon: its address, its end, and that whatever becomes of it no job is any worse off."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from sounds import sound
from whole_studio import MakeStudio, Studio, until

from diffio_watch.service.events import Hub

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    made = tmp_path / "token"
    made.touch(0o600)
    made.write_text(TOKEN)
    return made


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens at."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        yield port


def _port(studio: Studio) -> int:
    until(lambda: studio.events("page.listening"))
    return int(studio.events("page.listening")[-1]["urls"][0].rpartition(":")[2].strip("/"))


def _ask(port: int, method: str, path: str, value: Any = None) -> tuple[int, Any]:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        wire.request(method, path, None if value is None else json.dumps(value),
                     {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"})
        answer = wire.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        wire.close()


def test_a_file_is_seen_on_its_way_and_the_daemon_does_what_is_asked(make_studio: MakeStudio,
                                                                     token_file: Path) -> None:
    studio = make_studio(web={"listen": "127.0.0.1:0", "token_file": str(token_file)})
    studio.start()
    port = _port(studio)
    assert _ask(port, "GET", "/healthz")[0] == 200
    assert _ask(port, "GET", "/readyz") == (
        200, {"ready": True, "degraded": False, "words": ["Every inbox is looked after."]})
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.wait("a.wav")
    (job,) = _ask(port, "GET", "/api/jobs?state=delivered")[1]["jobs"]
    assert job["step"] == "done"
    assert _ask(port, "GET", f"/api/jobs/{job['id']}")[1]["sidecar"]["state"] == "delivered"
    told = _ask(port, "GET", "/api/explain?file=A.wav")[1]
    assert (told["job"], told["words"]) == (job["id"], "a.wav is done.")
    assert "No recording of the name b.wav is known" in _ask(port, "GET", "/api/explain?file=b.wav")[1]["words"]
    (studio.outbox() / job["outputs"][0]["path"]).unlink()
    assert _ask(port, "GET", f"/api/jobs/{job['id']}/outputs/audio")[0] == 410
    status, answer = _ask(port, "POST", "/api/requests", {"command": "retry", "args": {"jobs": [job["id"]]}})
    assert (status, answer["exit"], answer["count"]) == (200, 0, 1), answer
    until((studio.outbox() / job["outputs"][0]["path"]).exists)
    assert studio.stop() == 0
    assert not [event for event in studio.events() if event["level"] in {"warning", "error"}], studio.told()


def _unheard(studio: Studio) -> list[str]:
    return [one["key"] for one in json.loads(studio.command("status", "--json")[1])["unheard"]]


@pytest.mark.parametrize(("key", "address", "words"), [
    ("web", "127.0.0.1:TAKEN", "Address already in use"),
    ("web", "192.0.2.7:8480", "This machine does not have that address now"),
    ("web", "nas.studio.invalid:8480", "has no address nas.studio.invalid"),
    ("web", "unix:FOLDER/web.sock", "Its folder has to be there"),
    ("webhook", "192.0.2.7:8480", "This machine does not have that address now"),
])
def test_where_an_address_is_not_there_yet_or_is_taken_files_go_their_way_all_the_same(
        make_studio: MakeStudio, tmp_path: Path, taken: int, key: str, address: str, words: str) -> None:
    """Whether the network or the daemon comes first after a boot, no job waits for it; it is told where one looks."""
    where = address.replace("TAKEN", str(taken)).replace("FOLDER", str(tmp_path / "later"))
    studio = make_studio(**{key: {"listen": where}})
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.start()
    studio.wait("a.wav")
    (told,) = studio.events("page.unheard")
    assert told["level"] == "error"
    assert words in told["message"]
    assert "everything else goes on" in told["action"]
    until(lambda: _unheard(studio) == [f"{key}.listen"], what=studio.told)
    assert words in " ".join(studio.command("status")[1].split())
    if key == "web":
        assert words in " ".join(studio.command("check", "--offline")[1].split())
    assert studio.stop() == 0


def test_what_stands_where_the_page_is_to_be_goes_and_the_page_comes(make_studio: MakeStudio) -> None:
    """It is tried again, without anybody's doing; a reload of something else is not refused for it meanwhile."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        studio = make_studio(web={"listen": f"127.0.0.1:{port}"}, webhook={"listen": "127.0.0.1:0"})
        studio.start()
        until(lambda: studio.events("webhook.listening"), what=studio.told)
        until(lambda: _unheard(studio) == ["web.listen"], what=studio.told)
        studio.reload(limits={"uploads": 2})
        assert studio.events("config.reloaded")[-1]["changes"] == ["limits.uploads: 4 -> 2"]
        assert not studio.events("page.listening"), "only what can be had"
    assert _port(studio) == port
    assert _ask(port, "GET", "/healthz")[0] == 200
    until(lambda: _unheard(studio) == [], what=studio.told)
    assert len(studio.events("page.unheard")) == 1, "it is told once"
    assert studio.stop() == 0


def test_a_reload_changes_the_page_or_is_refused_whole(make_studio: MakeStudio, token_file: Path,
                                                       taken: int) -> None:
    studio = make_studio()
    studio.start()
    assert not studio.events("page.listening")
    studio.reload(web={"listen": "127.0.0.1:0"})
    port = _port(studio)
    assert _ask(port, "POST", "/api/requests", {"command": "pause"})[0] == 401
    studio.reload(web={"listen": "127.0.0.1:0", "token_file": str(token_file)})
    assert _port(studio) == port, "an address that stays is listened at all the time"
    assert _ask(port, "POST", "/api/requests", {"command": "pause"})[0] == 200
    studio.reload(web={"listen": f"127.0.0.1:{taken}"})
    assert "can't be listened at" in studio.events("config.refused")[-1]["message"]
    assert _ask(port, "POST", "/api/requests", {"command": "resume"})[0] == 200, "the old one stays in force"
    studio.reload(web={})
    with pytest.raises(ConnectionRefusedError):
        _ask(port, "GET", "/healthz")
    assert studio.stop() == 0


def test_a_page_that_breaks_is_told_and_started_anew_and_jobs_go_on(make_studio: MakeStudio,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(self: Hub, ending: asyncio.Event) -> None:
        raise RuntimeError("of the page")

    with monkeypatch.context() as broken:
        broken.setattr(Hub, "run", breaks)
        studio = make_studio(web={"listen": "127.0.0.1:0"})
        studio.start()
        until(lambda: studio.events("page.ended"))
    (told,) = studio.events("page.ended")
    assert "of the page" in told["error"]
    (studio.inbox() / "a.wav").write_bytes(sound("a"))
    studio.wait("a.wav")
    until(lambda: len(studio.events("page.listening")) == 2)
    assert _ask(_port(studio), "GET", "/healthz")[0] == 200
    assert studio.stop() == 0


def test_a_daemon_without_a_page_loads_no_server() -> None:
    """It would cost each start, and memory, for nothing."""
    ask = "import sys, diffio_watch.daemon.daemon; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert not {"starlette", "uvicorn"} & set(loaded)
