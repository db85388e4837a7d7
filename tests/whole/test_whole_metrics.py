"""What a running daemon tells Prometheus of a recording's way."""

from __future__ import annotations

import re
import urllib.request
import wave

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
