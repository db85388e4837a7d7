"""The whole way of a webhook: the service's word, over a socket, through the daemon, to a result that is on its way."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from sounds import sound
from whole_studio import LONG, MakeStudio, Studio, until

from diffio_watch.job import Job, State
from diffio_watch.journal import Journal
from diffio_watch.journal.webhooks import WebhookFacts, last_known
from diffio_watch.sandbox import Sandbox
from diffio_watch.sandbox.webhooks import signed

OTHER = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlc2UtdGVzdHM="


def hooked(make_studio: MakeStudio, service: Sandbox, **settings: Any) -> Studio:
    """A studio that receives webhooks, and a service that sends them there."""
    studio = make_studio(**{"webhook": {"listen": "127.0.0.1:0"},
                            "generation": {"poll": {"first": "500ms", "max": "60s"}}, **settings})
    secret = studio.base / "webhook-secret"
    secret.write_text(service.settings.webhook_secret + "\n")
    studio.config["webhook"] = {**studio.config["webhook"], "secret_file": str(secret)}
    studio.start()
    service.change(webhook_url=f"{address(studio)}webhooks/diffio")
    return studio


def address(studio: Studio) -> str:
    listening = "webhook.listening" if studio.config["webhook"]["listen"] else "page.listening"
    until(lambda: studio.events(listening), what=studio.told)
    return str(studio.events(listening)[-1]["urls"][0])


def drop(studio: Studio, path: str) -> None:
    (studio.inbox() / path).write_bytes(sound(path))


def job(studio: Studio, path: str) -> Job | None:
    return next((job for job in studio.jobs() if job.path == path), None)


def delivered(studio: Studio, path: str) -> None:
    until(lambda: (found := job(studio, path)) is not None and found.state is State.DELIVERED, what=studio.told)


def known(studio: Studio) -> WebhookFacts | None:
    with Journal.open(studio.state, read_only=True) as journal:
        return last_known(journal)


def facts(studio: Studio) -> WebhookFacts:
    found = known(studio)
    assert found is not None
    return found


def test_a_result_is_on_its_way_at_the_service_s_word_and_polls_are_rare(
        make_studio: MakeStudio, service: Sandbox) -> None:
    studio = hooked(make_studio, service)
    for number in range(3):
        drop(studio, f"{number}.wav")
        delivered(studio, f"{number}.wav")
    until(lambda: studio.events("webhook.reliable"), what=studio.told)

    service.change(seconds=LONG)
    drop(studio, "long.wav")
    until(lambda: (found := job(studio, "long.wav")) is not None and found.polls >= 1, what=studio.told)
    waiting = job(studio, "long.wav")
    assert waiting is not None
    assert waiting.due_at is not None
    assert waiting.due_at - waiting.updated_at == pytest.approx(60, abs=0.1), "the longest pause, after the first poll"
    polls, links = service.polls, service.calls["link"]
    studio.ready()
    until(lambda: service.calls["link"] > links, what=studio.told)  # long before the next poll would be due
    delivered(studio, "long.wav")
    assert service.polls == polls + 1
    assert service.charges == 4

    service.change(webhook_url=None, seconds=0)
    drop(studio, "missed.wav")
    delivered(studio, "missed.wav")
    studio.skip(16)
    drop(studio, "after.wav")
    delivered(studio, "after.wav")
    until(lambda: studio.events("webhook.missed"), what=studio.told)


def test_what_is_known_of_them_stands_in_the_journal(make_studio: MakeStudio, service: Sandbox) -> None:
    studio = hooked(make_studio, service)
    url = address(studio) + "webhooks/diffio"
    until(lambda: known(studio) is not None, what=studio.told)
    assert facts(studio).at is None
    for count in (1, 2, 3):
        body = json.dumps({"eventType": "generation.completed", "generationId": "gen_1", "eventId": f"evt_{count}"})
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(urllib.request.Request(
                url, body.encode(), signed(OTHER, f"msg_{count}", body), method="POST"), timeout=10)
    studio.skip(16)
    until(lambda: facts(studio).refused >= 3, what=studio.told)
    assert "another secret" in facts(studio).why
    drop(studio, "a.wav")
    delivered(studio, "a.wav")
    studio.skip(16)
    until(lambda: facts(studio).refused == 0, what=studio.told)
    assert facts(studio).at is not None
    assert studio.events("webhook.accepted_again")
    written = studio.log_file.read_text() + (studio.state / "journal.sqlite3-wal").read_bytes().decode("latin-1")
    assert service.settings.webhook_secret.removeprefix("whsec_") not in written


def test_with_the_page_they_come_to_the_page_s_address_and_pass_its_guard(
        make_studio: MakeStudio, service: Sandbox) -> None:
    """A tunnel from outside brings a name that the page does not know."""
    studio = hooked(make_studio, service, web={"listen": "127.0.0.1:0"}, webhook={"listen": None})
    url = address(studio)
    body = json.dumps({"eventType": "generation.completed", "generationId": "gen_1", "eventId": "evt_1"})
    headers = signed(service.settings.webhook_secret, "msg_1", body) | {"Host": "hooks.studio.example"}
    request = urllib.request.Request(f"{url}webhooks/diffio", body.encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    drop(studio, "a.wav")
    delivered(studio, "a.wav")


def test_where_nothing_receives_them_no_server_is_started(make_studio: MakeStudio, service: Sandbox) -> None:
    studio = make_studio()
    secret = studio.base / "webhook-secret"
    secret.write_text(service.settings.webhook_secret)
    studio.config["webhook"] = {"secret_file": str(secret)}
    studio.start()
    until(lambda: studio.events("config.without_effect"), what=studio.told)
    assert studio.events("config.without_effect")[0]["keys"] == ["webhook.secret_file"]
    drop(studio, "a.wav")
    delivered(studio, "a.wav")
    assert not studio.events("webhook.listening")


def test_a_test_event_proves_the_way_or_says_what_is_wrong_with_it(
        make_studio: MakeStudio, service: Sandbox) -> None:
    studio = hooked(make_studio, service)
    until(lambda: known(studio) is not None, what=studio.told)
    studio.skip(6)  # the journal learns of news every five seconds
    code, out, err = studio.command("remote", "test-event")
    assert (code, err) == (0, "")
    assert "It has arrived" in out
    assert service.polls == 0, "the example's generation is nobody's"
    service.change(webhook_secret=OTHER)
    studio.skip(16)
    code, out, err = studio.command("remote", "test-event")
    assert code == 1
    assert "another secret" in err
    assert studio.json("status")["webhooks"]["refused"] == 1


def test_where_nothing_listens_no_test_event_is_waited_for(make_studio: MakeStudio, service: Sandbox) -> None:
    secret = service.settings.webhook_secret
    studio = make_studio(webhook={"listen": "192.0.2.7:8480"})
    (studio.base / "webhook-secret").write_text(secret)
    studio.config["webhook"]["secret_file"] = str(studio.base / "webhook-secret")
    studio.start()
    service.change(webhook_url="http://127.0.0.1:9/webhooks/diffio")
    until(lambda: known(studio) is not None and studio.json("status")["unheard"], what=studio.told)
    code, _, err = studio.command("remote", "test-event")
    assert code == 1
    for told in (err, studio.json("status")["webhooks"]["message"]):
        assert "does not have that address now" in " ".join(told.split())
    assert "does not have that address now" in " ".join(studio.command("check", "--offline")[1].split())


@pytest.mark.slow
def test_ten_thousand_that_are_not_the_service_s_bring_no_poll_forward_and_are_written_nowhere(
        make_studio: MakeStudio, service: Sandbox) -> None:
    studio = hooked(make_studio, service)
    for number in range(3):
        drop(studio, f"{number}.wav")
        delivered(studio, f"{number}.wav")
    service.change(seconds=LONG)
    drop(studio, "long.wav")
    until(lambda: (found := job(studio, "long.wav")) is not None and found.polls >= 1, what=studio.told)
    waiting = job(studio, "long.wav")
    assert waiting is not None
    body = json.dumps({"eventType": "generation.completed", "generationId": waiting.generation_id, "eventId": "evt_1"})
    ours = signed(service.settings.webhook_secret, "msg_1", body)
    split = urllib.parse.urlsplit(address(studio))
    connection = socket.create_connection((split.hostname, split.port), 20)
    answers = connection.makefile("rb")

    def send(*deliveries: tuple[dict[str, str], str]) -> list[int]:
        """Deliver them in one go, over one connection."""
        connection.sendall(b"".join(
            "\r\n".join(["POST /webhooks/diffio HTTP/1.1", f"Host: {split.netloc}", f"Content-Length: {len(content)}",
                         *(f"{name}: {value}" for name, value in headers.items()), "", content]).encode()
            for headers, content in deliveries))
        return [one_answer() for _ in deliveries]

    def one_answer() -> int:
        status, length = int(answers.readline().split()[1]), 0
        while (line := answers.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                length = int(line.split()[1])
        answers.read(length)
        return status

    polls = service.polls
    assert send((ours, body)) == [200]
    until(lambda: service.polls == polls + 1, what=studio.told)
    until(lambda: (found := job(studio, "long.wav")) is not None and found.polls > waiting.polls, what=studio.told)
    assert studio._daemon is not None
    assert studio._daemon._page is not None
    writer = studio._daemon._page._journal
    rows, commits, begun = writer.rows("SELECT * FROM jobs"), writer.commits, time.monotonic()
    for number in range(2500):
        assert send((ours, body), (signed(OTHER, f"msg_{number}", body), body),
                    ({**ours, "svix-id": f"other_{number}"}, body), (ours, body + " ")) == [200, 401, 401, 401]
    answers.close()
    connection.close()
    took = time.monotonic() - begun
    assert took < 50, "it would ask of itself by then"
    assert service.polls == polls + 1
    assert [tuple(row) for row in writer.rows("SELECT * FROM jobs")] == [tuple(row) for row in rows]
    # what looks on is told now and then; inboxes tell how they are
    assert writer.commits - commits <= 5 + took / 5


def test_a_reload_begins_and_ends_it_and_forgets_nothing_of_what_came(
        make_studio: MakeStudio, service: Sandbox) -> None:
    studio = make_studio()
    secret = studio.base / "webhook-secret"
    secret.write_text(service.settings.webhook_secret)
    studio.start()
    studio.reload(webhook={"listen": "127.0.0.1:0", "secret_file": str(secret)})
    service.change(webhook_url=f"{address(studio)}webhooks/diffio")
    drop(studio, "a.wav")
    delivered(studio, "a.wav")
    until(lambda: len(service.report()["deliveries"]) == 3, what=studio.told)
    studio.skip(6)
    until(lambda: (found := known(studio)) is not None and found.at is not None, what=studio.told)
    came = facts(studio)
    studio.reload(webhook={"listen": "localhost:0", "secret_file": str(secret)})
    studio.skip(6)
    until(lambda: facts(studio).listens == "localhost:0", what=studio.told)
    assert (facts(studio).at, facts(studio).events) == (came.at, came.events)
    studio.reload(webhook={})
    studio.skip(6)
    until(lambda: known(studio) is None, what=studio.told)
