"""What a running daemon tells Prometheus of a recording's way."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
import wave
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from service_prometheus import ALERTS, RULES, expressions
from sounds import sound
from whole_studio import MakeStudio, Studio, until

from diffio_watch.sandbox import Sandbox


def scrape(studio: Studio) -> dict[str, float]:
    until(lambda: studio.events("page.listening"), what=studio.told)
    url = studio.events("page.listening")[-1]["urls"][0]
    with urllib.request.urlopen(f"{url}metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = re.findall(r"^diffio_watch_(\S+(?: \S+)*) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_requests_and_bytes_are_counted_as_they_go_and_stages_when_all_is_over(
        make_studio: MakeStudio, service: Sandbox) -> None:
    studio = make_studio(web={"listen": "127.0.0.1:0"})
    studio.start()
    before = scrape(studio)
    assert before['transferred_bytes_total{direction="up"}'] == 0
    size = 3_000_000
    with wave.open(str(studio.inbox() / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(size - 44))
    service.fault("progress", "status", status=503, times=1)
    studio.wait("a.wav")
    found = scrape(studio)
    assert size <= found['transferred_bytes_total{direction="up"}'] < size + 20_000, "and the calls around it"
    assert size <= found['transferred_bytes_total{direction="down"}'] < size + 20_000
    assert found['api_requests_total{kind="generate",status="2xx"}'] == 1
    assert found['api_requests_total{kind="progress",status="5xx"}'] == 1
    assert found['jobs{inbox="podcasts",state="delivered"}'] == 1
    assert found['bought_minutes_total{inbox="podcasts",model="diffio-4.6-flash"}'] >= 1
    assert found['stage_seconds_count{stage="downloading"}'] == 1
    assert found['inbox_available{inbox="podcasts"}'] == 1
    assert found['last_scan_timestamp_seconds{inbox="podcasts"}'] > 1.7e9


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus here")
def test_a_real_prometheus_takes_the_rules_scrapes_a_running_daemon_and_answers_every_panel(
        make_studio: MakeStudio, service: Sandbox, tmp_path: Path) -> None:
    studio = make_studio(web={"listen": "127.0.0.1:0"})
    studio.start()
    scrape(studio)
    page = studio.events("page.listening")[-1]["urls"][0].removeprefix("http://").strip("/")
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    (tmp_path / "prometheus.json").write_text(json.dumps({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["alerts.yaml"],
        "scrape_configs": [{"job_name": "diffio-watch", "static_configs": [{"targets": [page]}]}]}))
    port = free_port()

    def ask(path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]

    def scraped() -> bool:
        try:
            return len(ask("query", query="count_over_time(diffio_watch_build_info[1h]) >= 3")["result"]) == 1
        except OSError:
            return False

    with (tmp_path / "prometheus.log").open("wb") as log, subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.json", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, cwd=tmp_path) as process:
        try:
            until(scraped, 60, (tmp_path / "prometheus.log").read_text)
            for number in range(3):
                (studio.inbox() / f"{number}.wav").write_bytes(sound(str(number)))
            studio.wait("0.wav", "1.wav", "2.wav")
            delivered = 'diffio_watch_jobs{state="delivered"} == 3'
            until(lambda: ask("query", query=delivered)["result"], 20)
            time.sleep(2.5)  # two more scrapes, so that there are rates
            empty = [one for one in expressions() if not ask("query", query=one)["result"]]
            assert [one for one in empty if "status!=" not in one] == [], "no request has failed"
            (target,) = ask("targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
            assert {(rule["health"], rule["state"]) for rule in rules} == {("ok", "inactive")}
            assert len(rules) == len(RULES)
            assert len(ask("query", query='{__name__=~"diffio_watch_.*|process_.*"}')["result"]) <= 300
        finally:
            process.terminate()
            process.wait(20)
