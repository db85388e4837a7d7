"""Bad days by name: each shows at the wire, alone or with others, and a good day is good again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from diffio_watch.api import Api, ApiError, Storage, Tries
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.rehearsals import REHEARSALS, rehearse

QUICK = Tries(attempts=1)


class Bytes:
    size = 4096

    def chunks(self) -> Iterator[bytes]:
        yield b"ID3" + bytes(4093)


class Memory(bytearray):
    validator: str | None = None

    @property
    def size(self) -> int:
        return len(self)

    def write(self, data: bytes | memoryview, /) -> None:
        self.extend(data)

    def expect(self, size: int, /) -> None:
        pass

    def restart(self) -> None:
        self.clear()


def flow(service: Sandbox) -> str:
    """A whole flow by the program's own client; "good", or what went wrong first."""
    api = Api(service.base_url, lambda: "key", connect_timeout=1, read_timeout=0.3, stop=threading.Event(), tries=QUICK)
    storage = Storage(service.base_url, connect_timeout=1, read_timeout=0.3, stop=threading.Event(), tries=QUICK)
    try:
        made = api.create_project(file_name="a.mp3", content_type="audio/mpeg", content_length=4096)
        assert made.put is not None
        storage.put(made.put, Bytes())
        body = json.dumps({"apiProjectId": made.project_id, "idempotencyKey": "k"})
        told = api.progress(api.generate("diffio-4.6-pro", body).generation_id, made.project_id)
        generation = service.generations()[-1]["id"]
        if told.status != "complete":
            return told.status
        link = api.download_link(generation, made.project_id)
        got = Memory()
        storage.download(link, got)
        if bytes(got[:3]) != b"ID3":
            return "noise"
        api.download_link(generation, made.project_id, "transcript")
    except ApiError as error:
        return type(error).__name__
    finally:
        api.close()
        storage.close()
    return "good"


SHOWS = {
    "billing": "PaymentRequired", "spend-limit": "PaymentRequired", "bad-key": "Unauthorized",
    "inactive-key": "Forbidden", "no-download": "Forbidden", "plan": "Forbidden", "retired": "ModelRetired",
    "outage": "Unavailable", "storage-outage": "Unavailable", "slow": "Ambiguous", "short-uploads": "good",
    "flaky": "Ambiguous", "rate-limit": "RateLimited", "pages": "Ambiguous", "silence": "Ambiguous",
    "processing": "Ambiguous", "failing": "failed", "stuck": "queued", "lag": "NotReady", "expired-links": "good",
    "bad-results": "noise", "no-transcript": "TranscriptUnavailable",
}


@pytest.mark.parametrize("name", REHEARSALS)
def test_each_bad_day_shows_and_ends(name: str) -> None:
    with Sandbox(seconds=0, upload="put") as service:
        usual = {"seconds": 0, "upload": "put"}
        rehearse(service, [name], usual)
        assert flow(service) == SHOWS[name]
        if name == "expired-links":
            assert flow(service) == "LinkExpired"
        if name == "short-uploads":
            assert service.settings.upload_lifetime == 60
        rehearse(service, [], usual)
        assert flow(service) == "good"


def test_troubles_come_together_and_go_one_by_one() -> None:
    with Sandbox(seconds=0, upload="put") as service:
        rehearse(service, ["no-transcript", "stuck"], {"seconds": 0, "upload": "put"})
        assert flow(service) == "queued"
        rehearse(service, ["no-transcript"], {"seconds": 0, "upload": "put"})
        assert flow(service) == "TranscriptUnavailable"
