"""remote and sandbox: the service's own lists and results, over the real protocol."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pytest
from cli_place import Place, delivered

from diffio_watch.api import Api, ApiError, PaymentRequired, Storage, Unauthorized
from diffio_watch.api.errors import TooLarge
from diffio_watch.cli import refusals
from diffio_watch.sandbox import Sandbox

CONTENT = b"RIFF some sound that only this test makes"


@dataclass
class Bytes:
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        yield self.content


@pytest.fixture
def service(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(seconds=0, upload="put") as sandbox:
        place.config_file.write_text(place.config_file.read_text().replace("http://127.0.0.1:1/v1", sandbox.base_url))
        monkeypatch.setenv("DIFFIO_API_KEY", "some-key")
        yield sandbox
        assert sandbox.violations == []
        assert sandbox.leaks == []


@pytest.fixture
def bought(service: Sandbox) -> tuple[str, str]:
    """A project with a complete generation."""
    api = Api(service.base_url, lambda: "some-key", connect_timeout=5, read_timeout=5, stop=threading.Event())
    storage = Storage(service.base_url, connect_timeout=5, read_timeout=5, stop=threading.Event())
    project = api.create_project(file_name="\x1b[31ma.wav", content_type="audio/wav", content_length=len(CONTENT))
    assert project.put is not None
    storage.put(project.put, Bytes(CONTENT))
    body = json.dumps({"apiProjectId": project.project_id, "idempotencyKey": "k"})
    made = api.generate("diffio-4.6-flash", body)
    assert api.progress(made.generation_id, project.project_id).status == "complete"
    api.close()
    storage.close()
    return project.project_id, made.generation_id


def test_projects_and_generations_are_listed(place: Place, bought: tuple[str, str]) -> None:
    project, generation = bought
    (listed,) = place.run("remote", "projects", "--json").json
    assert listed["project_id"] == project
    assert listed["created_at"].endswith("Z")
    (made,) = place.run("remote", "generations", project, "--json").json
    assert (made["generation_id"], made["status"]) == (generation, "complete")
    for command, word in ((["projects"], project), (["generations", project], generation)):
        out = place.run("remote", *command).out
        assert word in out
        assert "\x1b" not in out


def test_usage_and_a_test_event_are_had(place: Place, service: Sandbox) -> None:
    assert {*place.run("remote", "usage", "--json").json} == {"usage", "billing"}
    assert "billing." in place.run("remote", "usage").out
    event = place.run("remote", "test-event", "--type", "generation.failed", "--json").json
    assert event["event_type"] == "generation.failed"
    assert event["event_id"]
    assert service.charges == 0


def test_an_old_result_is_fetched_whole_and_nothing_is_overwritten(place: Place, bought: tuple[str, str]) -> None:
    project, generation = bought
    done = place.run("remote", "download", generation, "--project", project, "-o", "old.wav", "--json")
    assert done.code == 0, done.err
    assert done.json == {"path": str(place.root / "old.wav"), "type": "audio", "size": len(CONTENT)}
    assert (place.root / "old.wav").read_bytes() == CONTENT
    (place.root / "old.wav").write_bytes(b"mine")
    again = place.run("remote", "download", generation, "--project", project, "-o", "old.wav")
    assert again.code == 1
    assert "exists already" in again.err
    assert (place.root / "old.wav").read_bytes() == b"mine"
    assert not [*place.root.glob(".diffio-watch-*.part")]


def test_the_journal_knows_the_project_of_its_generations(place: Place, bought: tuple[str, str]) -> None:
    project, generation = bought
    place.add("a.wav", **delivered(project_id=project, generation_id=generation))
    assert place.run("remote", "download", generation).code == 0
    assert (place.root / f"{generation}.wav").read_bytes() == CONTENT


def test_a_generation_that_nobody_knows_says_what_to_do(place: Place, service: Sandbox) -> None:
    done = place.run("remote", "download", "../../etc/gen")
    assert done.code == 1
    assert "--project" in done.err
    assert service.calls == {}


def test_a_download_that_fails_leaves_nothing(place: Place, service: Sandbox, bought: tuple[str, str]) -> None:
    service.fault("download", "html")
    project, generation = bought
    done = place.run("remote", "download", generation, "--project", project, "-o", "old.wav")
    assert done.code == 1
    assert "no audio" in done.err
    assert not [*chain(place.root.glob("old.wav"), place.root.glob(".diffio-watch-*.part"))]


@pytest.mark.parametrize("account", ["auth", "inactive"])
def test_a_refusal_of_the_service_is_one_sentence_without_the_key(place: Place, service: Sandbox, account: str) -> None:
    service.change(account=account)
    done = place.run("remote", "projects")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "some-key" not in done.err


@pytest.mark.parametrize(("arguments", "sentence", "step"), [
    (["generations", "nope"], "does not know it: Project not found", "remote projects"),
    (["download", "g", "--project", "nope"], "does not know it: ", "remote projects")])
def test_what_the_service_does_not_know_is_a_sentence_with_a_next_step(
        place: Place, service: Sandbox, arguments: list[str], sentence: str, step: str) -> None:
    done = place.run("remote", *arguments)
    assert done.code == 1
    assert f"The service at {service.base_url.removesuffix('/v1')} {sentence}" in done.err
    assert f"`diffio-watch {step}`" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_refused_key_and_a_service_out_of_reach_are_sentences_with_a_next_step(
        place: Place, service: Sandbox) -> None:
    service.change(account="auth")
    told = place.run("remote", "usage").err
    assert re.match(r"The service at \S+ does not accept the API key: .* \(HTTP 401\)\. Put a valid key", told)
    service.close()
    with socket.socket() as held:  # bound and deaf: no other test's service may get this port meanwhile
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", int(service.base_url.split(":")[2].split("/")[0])))
        told = place.run("remote", "usage").err
    assert re.match(r"The service at \S+ can't be reached: Connection refused\. Check the network", told)


def test_every_error_of_the_service_is_told_in_sentences() -> None:
    def kinds(error: type[ApiError]) -> Iterator[type[ApiError]]:
        yield error
        for kind in error.__subclasses__():
            yield from kinds(kind)

    more: dict[type[ApiError], dict[str, Any]] = {PaymentRequired: {"kind": "billing"}, TooLarge: {"limit": 5}}
    for kind in kinds(ApiError):
        error = kind("some words.", **more.get(kind, {}))
        error.origin = "https://host"
        told = refusals.told(error)
        assert re.fullmatch(r"The .*: some words( \(HTTP 402\))?\. [A-Z].*\.", told), told


def test_without_a_key_nothing_is_asked(place: Place, service: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIFFIO_API_KEY")
    done = place.run("remote", "projects")
    assert done.code == 2
    assert "no API key" in done.err
    assert service.calls == {}


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_command_serves_until_it_is_told_to_stop(place: Place, ending: signal.Signals) -> None:
    with place.start("sandbox", "--port", "0", "--upload", "put", "--seconds", "0") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.readline().decode()
        assert "restores nothing" in told
        url = told.split()[4]
        api = Api(url, lambda: "k", connect_timeout=5, read_timeout=5, stop=threading.Event())
        assert api.list_projects() == []
        api.close()
        process.send_signal(ending)
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


def test_the_sandbox_command_rehearses_a_bad_day_for_so_long(place: Place) -> None:
    with place.start("sandbox", "--port", "0", "--fault", "bad-key:1s", "--fault", "no-transcript") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(5)]
        assert lines[3:] == ["For 1 s: no key is accepted (bad-key).\n",
                             "For good: there never is a transcript (no-transcript).\n"]
        api = Api(lines[0].split()[4], lambda: "k", connect_timeout=5, read_timeout=5, stop=threading.Event())
        with pytest.raises(Unauthorized):
            api.list_projects()
        assert process.stdout.readline() == b"It is over: bad-key.\n"
        assert api.list_projects() == []
        api.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.parametrize("fault", ["nonsense", "outage:soon", "outage:"])
def test_a_fault_that_there_is_not_is_wrong_usage(place: Place, fault: str) -> None:
    done = place.run("sandbox", "--port", "0", "--fault", fault)
    assert done.code == 2
    assert "no fault" in done.err or "no length of time" in done.err


def test_a_taken_port_is_told(place: Place, service: Sandbox) -> None:
    port = service.origins["api"].rpartition(":")[2]
    done = place.run("sandbox", "--port", port)
    assert done.code == 1
    assert "--port" in done.err
