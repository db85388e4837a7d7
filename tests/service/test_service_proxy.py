"""Under a path of a real nginx as Debian has it, with its buffers on: all of it, without a setting on this side."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port
from service_page import BEARER, JSON, TOKEN, Answer, Place, page, read_answer, request
from test_service_files import CONTENT, delivered

README = Path(__file__).parents[2] / "README.md"
CONF = """
daemon off; pid {root}/nginx.pid; error_log {root}/nginx.log warn; worker_processes 1;
events {{}}
http {{
  access_log {root}/access.log;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f;
  uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""
PATH = "/a/b"


class Proxied:
    """The page as it is seen through the proxy."""

    def __init__(self, place: Place, port: int) -> None:
        self.place = place
        self.port = port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        with self.connect() as wire:
            wire.sendall(request(method, PATH + path, {"Host": f"nas.studio.example:{self.port}", **(headers or {})},
                                 body))
            return read_answer(wire, head_only=method == "HEAD")

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("GET", path, headers)


@contextmanager
def nginx(root: Path, upstream: str, location: str = "") -> Iterator[int]:
    """This location, or the one that the README has, at a path of its own; the port."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("no nginx here")
    found = re.search(r"^  location /restoring/ \{.*?^  \}", README.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, "the README shows how"
    location = location or found[0].replace("/restoring/", f"{PATH}/").replace("http://127.0.0.1:8480/", upstream)
    port = free_port()
    conf = root / "nginx.conf"
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""  # may reach the test's folder
    conf.write_text(user + CONF.format(root=root, port=port, location=location))
    process = subprocess.Popen([program, "-c", conf, "-p", root], stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 20
        while True:
            assert process.poll() is None, process.stderr and process.stderr.read()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()


@pytest.mark.parametrize("more", ["", "proxy_http_version 1.1; proxy_set_header X-Real-IP $remote_addr;"])
def test_the_short_way_to_set_up_a_proxy_opens_the_page_to_nobody(tmp_path: Path, more: str) -> None:
    """nginx then asks for a loopback name, from loopback."""
    with page(tmp_path) as place, nginx(
            tmp_path, "", f"location {PATH}/ {{ proxy_pass http://127.0.0.1:{place.port}/; {more} }}") as port:
        seen = Proxied(place, port)
        for path in ("/api/status", "/api/jobs", "/metrics"):
            assert seen.get(path).status == 401
        assert seen.get("/api/status", BEARER).status == 200


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    with (page(tmp_path, web_keys="hosts: [nas.studio.example]") as place,
          nginx(tmp_path, f"http://127.0.0.1:{place.port}/") as port):
        yield Proxied(place, port)


def test_nobody_behind_a_proxy_is_local_and_a_login_is_remembered_for_its_path_alone(proxied: Proxied) -> None:
    assert proxied.get("/").status == 200
    assert proxied.get("/page/main.js").status == 200
    assert proxied.get("/healthz").status == 200
    answer = proxied.get("/api/status")
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers
    login = proxied.ask("POST", "/api/login", {**JSON, "Sec-Fetch-Site": "same-origin"},
                        b'{"token": "%s"}' % TOKEN.encode())
    cookie = login.headers["set-cookie"]
    assert "path" not in cookie.lower(), "so that a browser takes the folder that the answer came from, /a/b/api"
    assert "Secure" not in cookie
    own = {"Cookie": cookie.partition(";")[0]}
    assert proxied.get("/api/status", own).json["screen"]["may"] == {"read": True, "change": True}
    pause = b'{"command": "pause", "args": {}}'
    here = f"http://nas.studio.example:{proxied.port}"
    for headers, status in (({"Origin": here}, 200), ({"Origin": "http://nas.studio.example:1"}, 403),
                            ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "same-site"}, 403)):
        assert proxied.ask("POST", "/api/requests", {**JSON, **own, **headers}, pause).status == status
    history = proxied.place.journal.rows("SELECT who FROM requests")
    assert {row["who"] for row in history} == {"the page, from 127.0.0.1"}
    for name in ("access.log", "nginx.log", "log"):
        assert TOKEN not in (proxied.place.root / name).read_text(), "the token is in no address, so in no log"


def test_a_name_that_is_not_known_is_told_the_line_to_add(proxied: Proxied) -> None:
    answer = proxied.get("/api/status", {"Host": "other.example"})
    assert answer.status == 421
    assert "web: {hosts: [other.example]}" in answer.error


def test_what_changes_comes_at_once_through_the_proxys_buffers(proxied: Proxied) -> None:
    with proxied.connect() as wire:
        wire.sendall(request("GET", f"{PATH}/api/events", {"Host": "nas.studio.example", **BEARER}))
        got = b""
        while b"event: beat" not in got:
            got += wire.recv(65536)
        proxied.place.add("a.wav")
        while b"event: jobs" not in got:
            got += wire.recv(65536)


def test_files_come_in_parts_through_the_proxy(proxied: Proxied) -> None:
    job = delivered(proxied.place, "a.wav", "a.restored.wav")
    path = f"/api/jobs/{job.id}/outputs/audio"
    answer = proxied.get(path, {"Range": "bytes=0-1", **BEARER})
    assert (answer.status, answer.body) == (206, CONTENT[:2])
    assert proxied.get(path, {"Range": "bytes=-3", **BEARER}).body == CONTENT[-3:]
    assert proxied.get(path, {"Range": "bytes=99999-", **BEARER}).status == 416
    many = ",".join(f"{at}-{at}" for at in range(101))
    assert proxied.get(path, {"Range": f"bytes={many}", **BEARER}).body == CONTENT
    assert proxied.ask("HEAD", path, BEARER).headers["content-length"] == str(len(CONTENT))
    assert proxied.get(path).status == 401


def test_behind_a_unix_socket_it_is_the_proxy_that_says_who_reads(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with (page(tmp_path, address=f"unix:{path}", web_keys="hosts: [nas.studio.example]") as place,
          nginx(tmp_path, f"http://unix:{path}:/") as port):
        proxied = Proxied(place, port)
        assert proxied.get("/api/status").status == 200
        assert proxied.ask("POST", "/api/requests", JSON, b'{"command": "pause", "args": {}}').status == 401
