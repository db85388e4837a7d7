"""The hardened unit in a booted Debian: the page and its parts work in it, and what it keeps away is told."""

from __future__ import annotations

import json
import random
import re
import struct
from typing import Any, Final

from install_container import URL, Container, until

INBOX, OUTBOX = "/srv/studio/inbox", "/srv/studio/outbox"
SECRET: Final = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLWhvb2tz"  # the sandbox's
CONFIG: Final = """
web: {listen: "127.0.0.1:8480", token_file: /etc/diffio-watch/web-token}
webhook: {listen: "127.0.0.1:8481", secret_file: /etc/diffio-watch/webhook-secret}
notify: {urls: ["json://127.0.0.1:8491/"], events: [delivered], heartbeat: "http://127.0.0.1:8491/beat"}
"""
# takes what Apprise sends as JSON, and the heartbeat
RECEIVER: Final = """
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/run/told", "ab") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", 8491), Handler).serve_forever()
"""
# asks an address, with the page's token; JSON to standard output
ASK: Final = """
import json, sys, urllib.error, urllib.request
with open("/etc/diffio-watch/web-token") as file:
    headers = {"Authorization": f"Bearer {file.read().strip()}", "Content-Type": "application/json"}
data = sys.argv[2].encode() if sys.argv[2:] else None
try:
    answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], data, headers), timeout=15)
except urllib.error.HTTPError as error:
    answer = error
body = answer.readline() if sys.argv[1].endswith("/events") else answer.read()
print(json.dumps([answer.status, answer.headers["Content-Type"], body.decode("latin-1")]))
"""


def ask(machine: Container, url: str, data: dict[str, Any] | None = None) -> tuple[int, str, str]:
    """The status, type and body that an address answers; a path is the page's."""
    url = url if "://" in url else f"http://127.0.0.1:8480/{url}"
    more = f" '{json.dumps(data)}'" if data is not None else ""
    status, kind, body = json.loads(machine.does(f"python3 ask.py {url}{more}"))
    return status, kind, body


def aiff(seconds: float) -> bytes:
    """Noise in AIFF, which most browsers don't play."""
    count, chance = round(16_000 * seconds), random.Random(1)
    samples = struct.pack(f">{count}h", *(chance.randrange(-20_000, 20_000) for _ in range(count)))
    form = struct.pack(">hLh", 1, count, 16) + bytes.fromhex("400cfa00000000000000")  # 16000 as an extended float
    body = (b"AIFFCOMM" + struct.pack(">L", len(form)) + form
            + b"SSND" + struct.pack(">LLL", len(samples) + 8, 0, 0) + samples)
    return b"FORM" + struct.pack(">L", len(body)) + body


def the_page_and_its_parts_work_in_it(machine: Container) -> None:
    before = _configured(machine)
    assert "All is well." in machine.does("diffio-watch check --notify")
    _webhooks_come_in(machine)
    (machine.root / "root/noise.aiff").write_bytes(aiff(1.5))
    machine.does(f"cp noise.aiff {INBOX}/.part && chmod 664 {INBOX}/.part && mv {INBOX}/.part {INBOX}/noise.aiff")
    machine.delivers("noise.aiff")
    _the_page_answers(machine)
    _it_can_be_listened_to(machine, machine.jobs()["noise.aiff"]["id"])
    until(lambda: "noise.aiff was restored" in machine.does("cat /run/told"), 30,
          lambda: machine.does("cat /run/told; journalctl -u diffio-watch --no-pager -p warning"))
    until(lambda: "noise.restored.aiff" in machine.does(f"cat {OUTBOX}/_status.html"), 30)
    machine.does("systemctl stop diffio-watch")
    assert machine.state("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}  # not killed
    (machine.root / "etc/diffio-watch/config.yaml").write_text(before, "utf-8")
    machine.does("systemctl start diffio-watch; systemctl stop receiver")


def _configured(machine: Container) -> str:
    """Have all of it, and somebody who is told; the configuration before."""
    (machine.root / "root/receiver.py").write_text(RECEIVER, "utf-8")
    (machine.root / "root/ask.py").write_text(ASK, "utf-8")
    config = machine.root / "etc/diffio-watch/config.yaml"
    before = config.read_text("utf-8")
    bare = re.sub(r"^(web|webhook|notify):.*\n(?: .*\n)+", "", before, flags=re.MULTILINE)
    config.write_text(bare.replace("status_file: false", "status_file: true") + CONFIG, "utf-8")
    machine.does("systemd-run --quiet --unit=receiver python3 /root/receiver.py; "
                 "head -c 24 /dev/urandom | base64 | install -m 600 -o diffio-watch /dev/stdin "
                 "/etc/diffio-watch/web-token; "
                 f"echo {SECRET} | install -m 600 -o diffio-watch /dev/stdin /etc/diffio-watch/webhook-secret; "
                 "systemctl reload diffio-watch")
    until(lambda: "page.listening" in machine.does("journalctl -u diffio-watch --no-pager"), 20)
    return before


def _webhooks_come_in(machine: Container) -> None:
    hooks = "http://127.0.0.1:8481/webhooks/diffio"
    ask(machine, URL.replace("/v1", "/_sandbox/change"), {"webhook_url": hooks})
    assert "It has arrived" in machine.does("diffio-watch remote test-event")


def _the_page_answers(machine: Container) -> None:
    for path, kind, words in (("", "text/html", "<!doctype html>"), ("page/main.js", "text/javascript", "import"),
                              ("healthz", "application/json", "true"), ("api/events", "text/event-stream", "retry"),
                              ("metrics", "text/plain", "diffio_watch_jobs")):
        status, told, body = ask(machine, path)
        assert (status, told.split(";")[0]) == (200, kind), path
        assert words in body, path
    screen = json.loads(ask(machine, "api/status")[2])["screen"]
    assert screen["may"] == {"read": True, "change": True}
    for command in ("pause", "resume"):
        done = json.loads(ask(machine, "api/requests", {"command": command, "args": {}})[2])
        assert (done["ok"], done["done"]) == (True, True), done


def _it_can_be_listened_to(machine: Container, job: str) -> None:
    """Its child process measures the recording and makes a preview, though its priority stays the usual one."""
    def sides() -> Any:
        return json.loads(ask(machine, f"api/jobs/{job}/sound")[2])["sides"]

    until(lambda: all("peaks" in side for side in sides().values()), 30, sides)
    assert [side["seconds"] for side in sides().values()] == [1.5, 1.5]
    path = f"api/jobs/{job}/original/preview"
    until(lambda: ask(machine, path)[0] != 202, 30)
    status, kind, body = ask(machine, path)
    assert (status, kind, body[:4]) == (200, "audio/flac", "fLaC")


def what_it_keeps_away_is_told(machine: Container) -> None:
    """A folder that is named later lies outside of what the unit lets the service write."""
    machine.does("mkdir -p /data/out; chown diffio-watch: /data/out; cp /etc/diffio-watch/config.yaml /root/; "
                 f"sed -i 's|outbox: {OUTBOX} |outbox: /data/out |' /etc/diffio-watch/config.yaml")
    for asked in ("diffio-watch check", "runuser -u diffio-watch -- diffio-watch check"):
        told = machine.run(asked)
        assert told.code == 1
        words = " ".join(told.out.split())
        assert "does not let the service write /data/out (ReadWritePaths=). Run `sudo diffio-watch service install`" \
            in words, told
        assert words.count("ReadWritePaths") == 1, told
    machine.does("cp /root/config.yaml /etc/diffio-watch/config.yaml")
