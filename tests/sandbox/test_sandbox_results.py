"""Waiting for a generation, and the ways to its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from diffio_watch.sandbox import Sandbox

Link = Callable[..., httpx.Response]
Upload = Callable[..., str]
Generate = Callable[..., dict[str, Any]]

MEDIA = bytes(range(250))


def poll(api: httpx.Client, generation: dict[str, Any]) -> dict[str, Any]:
    body = {name: generation[name] for name in ("generationId", "apiProjectId")}
    return dict(api.post("/get_generation_progress", json=body).raise_for_status().json())


def test_a_generation_goes_through_its_stages(
    sandbox: Sandbox, upload: Upload, generate: Generate, api: httpx.Client
) -> None:
    sandbox.change(seconds=1000)
    generation = generate(upload(MEDIA, contentType="video/mp4"))
    told = []
    for _ in range(5):
        progress = poll(api, generation)
        told.append((progress["status"], progress.get("stage"), progress["transcription"]["status"]))
        sandbox.skip(240)
    assert told == [
        ("queued", "queue", "pending"),
        ("processing", "preProcessing", "pending"),
        ("processing", "inference", "available"),
        ("processing", "inference", "available"),
        ("processing", "restoredVideo", "available"),
    ]
    progress = poll(api, generation)
    assert (progress["status"], progress["restoredVideo"]["progress"], progress["hasVideo"]) == ("complete", 100, True)
    assert "nothing is restored" in progress["inference"]["statusMessage"]
    assert sandbox.polls == 6


def test_a_failing_generation_says_why_and_has_no_file(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, api: httpx.Client
) -> None:
    sandbox.change(failing={"bad*": "The recording is silent."})
    generation = generate(upload(MEDIA, fileName="bad take.wav"))
    assert (poll(api, generation)["status"], poll(api, generation)["error"]) == ("failed", "The recording is silent.")
    assert link(generation).status_code == 404
    assert poll(api, generate(upload(MEDIA)))["status"] == "complete"
    film = poll(api, generate(upload(MEDIA, fileName="bad.mp4", contentType="video/mp4")))
    assert (film["inference"]["status"], film["restoredVideo"]["progress"]) == ("failed", 0)


@pytest.mark.parametrize("status", [404, 409])
def test_an_output_may_lag_behind_its_generation(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, status: int
) -> None:
    sandbox.change(seconds=10)
    generation = generate(upload(MEDIA))
    assert link(generation).status_code == 409
    sandbox.skip(11)
    sandbox.change(lag=2, lag_status=status)
    assert [link(generation).status_code for _ in range(3)] == [status, status, 200]


def test_download_types(sandbox: Sandbox, upload: Upload, generate: Generate, link: Link) -> None:
    audio, video = generate(upload(MEDIA)), generate(upload(MEDIA, contentType="video/quicktime", fileName="a.mov"))
    assert link(audio).json()["downloadType"] == "audio"
    assert link(audio, "mp3").json()["downloadType"] == "audio"
    assert link(audio, "video").status_code == 400
    assert link(audio, "flac").status_code == 400
    assert link(video).json()["downloadType"] == "video"
    assert link(video, "audio").json()["mimeType"] == "video/quicktime"  # the truth: the same bytes
    sandbox.change(mime_types={"audio": "audio/mpeg"})
    assert link(video, "audio").json()["mimeType"] == "audio/mpeg"


def test_a_transcript_is_pending_there_or_never_to_be(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client
) -> None:
    generation = generate(upload(MEDIA))
    answer = bare.get(link(generation, "transcript").json()["downloadUrl"])
    assert "nothing is restored" in answer.json()["text"]
    for state, status, code in (("pending", 409, "TRANSCRIPT_PENDING"), ("unavailable", 404, "TRANSCRIPT_UNAVAILABLE")):
        sandbox.change(transcript=state)
        refused = link(generation, "transcript")
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert refused.json()["transcription"] == {"status": state}
        assert link(generation).status_code == 200


@pytest.mark.parametrize(("asked", "status", "first", "stop"), [
    ("bytes=0-9", 206, 0, 10),
    ("bytes=240-", 206, 240, 250),
    ("bytes=3-5", 206, 3, 6),  # across two parts of four bytes
    ("bytes=-7", 206, 243, 250),
    ("bytes=-900", 206, 0, 250),
    ("bytes=249-900", 206, 249, 250),
    ("bytes=9-3", 200, 0, 250),
    ("bytes=0-1,3-4", 200, 0, 250),
    ("lines=0-1", 200, 0, 250),
])  # fmt: skip
def test_ranges(
    upload: Upload, generate: Generate, link: Link, bare: httpx.Client, asked: str, status: int, first: int, stop: int
) -> None:
    url = link(generate(upload(MEDIA))).json()["downloadUrl"]
    answer = bare.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, MEDIA[first:stop])
    said = f"bytes {first}-{stop - 1}/250" if status == 206 else None
    assert answer.headers.get("content-range") == said


def test_a_range_beyond_the_end_is_416(upload: Upload, generate: Generate, link: Link, bare: httpx.Client) -> None:
    url = link(generate(upload(MEDIA))).json()["downloadUrl"]
    answer = bare.get(url, headers={"Range": "bytes=250-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */250")


def test_if_range_holds_to_the_object(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client
) -> None:
    url = link(generate(upload(MEDIA))).json()["downloadUrl"]
    etag = bare.get(url).headers["etag"]
    asked = {"Range": "bytes=200-", "If-Range": etag}
    assert bare.get(url, headers=asked).content == MEDIA[200:]
    sandbox.fault("download", "swap", nth=1)
    changed = bare.get(url, headers=asked)
    assert (changed.status_code, len(changed.content)) == (200, 250)
    assert changed.content != MEDIA
    assert changed.headers["etag"] != etag
    assert bare.get(url, headers={"Range": "bytes=200-"}).content == changed.content[200:]


def test_a_link_expires_and_another_is_to_be_had(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client
) -> None:
    generation = generate(upload(MEDIA))
    url = link(generation).json()["downloadUrl"]
    sandbox.skip(sandbox.settings.link_lifetime + 1)
    answer = bare.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    assert bare.get(link(generation).json()["downloadUrl"]).content == MEDIA


@pytest.mark.parametrize("form", ["put", "multipart"])
@pytest.mark.parametrize("name", [
    "..", "a?b#c.wav", "50%.wav", "\u202egnp.wav", "\n", "\\", "\U0001f3a4" * 60, "-", "."
])  # fmt: skip
def test_any_name_makes_urls_that_work(
    sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, bare: httpx.Client, name: str, form: str
) -> None:
    sandbox.change(upload=form)
    told = link(generate(upload(MEDIA, fileName=name))).json()
    assert bare.get(told["downloadUrl"]).content == MEDIA
    assert sandbox.projects()[0]["file_name"] == name
    assert sandbox.violations == []


def test_account_states(sandbox: Sandbox, upload: Upload, generate: Generate, link: Link, api: httpx.Client) -> None:
    project = upload(MEDIA)
    generation = generate(project)
    body = {"apiProjectId": project, "idempotencyKey": "other"}

    def paid() -> httpx.Response:
        return api.post("/diffio-4.6-flash-generation", json=body)

    sandbox.change(account="billing")
    assert (paid().status_code, paid().json()["code"]) == (402, "paymentFailed")
    sandbox.change(account="spend_limit", period_end="2030-01-01T00:00:00Z")
    assert paid().json()["code"] == "spendLimitExceeded"
    assert paid().json()["periodEnd"] == "2030-01-01T00:00:00Z"
    assert link(generation).status_code == 200  # what is paid for can be fetched
    assert generate(project)["idempotentReplay"] is True
    sandbox.change(account="inactive")
    assert (paid().status_code, link(generation).status_code) == (403, 403)
    sandbox.change(account="ok", key_states={"canary-key-1": "auth"})
    assert (paid().status_code, link(generation).status_code) == (401, 401)
    sandbox.change(key_states={}, permissions=["read", "write"])
    assert link(generation).status_code == 403
    sandbox.change(keys=["another"])
    assert paid().status_code == 401
    sandbox.change(keys=[], down=["api"])
    assert paid().status_code == 503
    sandbox.change(down=[], retired=["diffio-4.6-flash"])
    assert paid().json()["code"] == "model_retired"
    assert sandbox.charges == 1
