"""What was paid for in an inbox that is configured no more is still fetched, or told; nothing else of it is touched."""

from __future__ import annotations

import json

import pytest
from sounds import sound
from whole_studio import LONG, MakeStudio, Studio

from diffio_watch.sandbox import Sandbox


def _paid_and_left(studio: Studio, service: Sandbox, *, by_reload: bool) -> None:
    """`old` has a file that is paid for and one that is not; then it is taken out of the configuration."""
    service.change(seconds=LONG)
    studio.start()
    (studio.inbox("old") / "paid.wav").write_bytes(sound("paid"))
    studio.wait("paid.wav", name="old", state="waiting")
    service.fault("create_project", "status", status=503)
    (studio.inbox("old") / "unpaid.wav").write_bytes(sound("unpaid"))
    studio.wait("unpaid.wav", name="old", state="uploading: service_error")
    studio.inboxes = {"new": {}}
    if by_reload:
        studio.reload()
    else:
        studio.restart()
    service.calm()


@pytest.mark.slow
@pytest.mark.parametrize("by_reload", [True, False])
def test_what_is_paid_for_in_an_inbox_that_is_left_out_is_fetched(
    make_studio: MakeStudio, service: Sandbox, by_reload: bool,
) -> None:
    studio = make_studio(inboxes={"old": {}, "new": {}})
    _paid_and_left(studio, service, by_reload=by_reload)
    (told,) = studio.events("inbox.left_out")
    assert (told["inbox"], told["jobs"], told["outbox"]) == ("old", 1, str(studio.outbox("old")))
    studio.ready()
    studio.wait("paid.wav", name="old")
    assert studio.visible("old") == {"paid.wav.json", "paid.restored.wav"}
    assert studio.states("old")["unpaid.wav"] in {
        "uploading: service_error", "generating"}, "what was begun just then, and no more"
    assert service.charges == 1
    unpaid = next(job for job in studio.jobs("old") if job.path == "unpaid.wav")
    shown = json.loads(studio.command("show", "--json", unpaid.id)[1])
    assert shown["because"]["code"] in {"service_error", "unavailable"}


@pytest.mark.slow
def test_where_its_outbox_is_gone_too_it_is_told_and_fetched_when_that_is_back(
    make_studio: MakeStudio, service: Sandbox,
) -> None:
    studio = make_studio(inboxes={"old": {}, "new": {}})
    away = studio.outbox("old").with_name("away")
    _paid_and_left(studio, service, by_reload=False)
    studio.outbox("old").rename(away)
    studio.ready()
    studio.wait("paid.wav", name="old", state="downloading: disk")
    (studio.inbox("new") / "other.wav").write_bytes(sound("other"))
    studio.wait("other.wav", name="new", state="waiting")
    studio.ready()
    studio.wait("other.wav", name="new")
    away.rename(studio.outbox("old"))
    studio.skip(20)
    studio.wait("paid.wav", name="old")
    assert service.charges == 2
