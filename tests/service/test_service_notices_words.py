"""The words of a message, and how addresses are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from diffio_watch.config import Notify, Web
from diffio_watch.journal.notice_records import Telling
from diffio_watch.service.notices import addresses, words

FAILED = Telling("files", "failed", "podcasts", "truncated", 1, ("show/a.wav",), "The file is cut short.",
                 "Copy it again.", 0.0, 0.0)
HALTED = Telling("account", "halted", "", "billing", 1, (), "The service has a billing hold.", "Settle the payment.",
                 0.0, 0.0, key="account")
RESUMED = replace(HALTED, event="resumed", last_at=9.0, lasted=7500.0, waited=14)


def test_one_file_is_named_in_the_subject_and_what_to_do_stands_beneath() -> None:
    subject, body = words.message([FAILED], "nas1", "http://nas1:8480/")
    assert subject == "podcasts: show/a.wav was not restored"
    assert body.splitlines() == ["podcasts: show/a.wav was not restored.", "The file is cut short.",
                                 "What to do: Copy it again.", "", "-- ", "http://nas1:8480/", "diffio-watch on nas1"]


def test_many_are_counted_and_a_few_of_them_named() -> None:
    many = replace(FAILED, count=498, names=("a.wav", "b.wav"))
    subject, body = words.message([many, replace(FAILED, event="held", code="daily_limit", count=3)], "nas1", None)
    assert subject == "podcasts: 498 recordings were not restored (and 1 more)"
    assert "  - a.wav\n  - b.wav\n  and 496 more" in body
    assert "3 recordings wait for a decision" in body


def test_a_stop_and_its_end_say_how_long_and_how_many_waited() -> None:
    assert words.message([HALTED], "nas1", None)[0] == "Restoring stands still. The service has a billing hold"
    subject, body = words.message([RESUMED], "nas1", None)
    assert subject == "Restoring goes on after 2 h 5 min; 14 recordings waited"
    assert "It was: The service has a billing hold." in body


def test_a_stop_that_is_over_is_not_told_as_one() -> None:
    """A digest tells how things are, not how they were in turn."""
    subject, body = words.message([HALTED, RESUMED], "nas1", None)
    assert "stands still" not in subject + body
    again = replace(HALTED, last_at=20.0)
    assert "goes on" not in "".join(words.message([again, RESUMED], "nas1", None))


def test_subject_and_body_are_bounded_and_no_terminals_or_signatures_are_in_them() -> None:
    wild = replace(FAILED, names=("x" * 5000 + "\n\x1b[31m\u202e.wav",), count=1,
                   message="It answered https://s3.example/a?X-Amz-Signature=CANARY&b#CANARY now. " + "y" * 9000)
    subject, body = words.message([wild] * 1 + [replace(wild, inbox=f"in{n}") for n in range(100)], "nas1", None)
    assert len(subject) <= words._SUBJECT
    assert len(body) <= words._BODY
    assert "CANARY" not in body
    assert not {"\x1b", "\u202e"} & {*subject, *body}
    assert "\n" not in subject


def test_no_name_of_a_file_calls_everybody_in_a_chat() -> None:
    calling = replace(FAILED, names=("@everyone <!channel> mail@host.wav",))
    told = "".join(words.message([calling], "nas1", None))
    assert "@ everyone < !channel> mail@host.wav" in told
    assert "@everyone" not in told


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 s"), (9.6, "10 s"), (61, "1 min 1 s"), (3600, "1 h"),
                                               (7500, "2 h 5 min"), (90_061, "1 d 1 h")])
def test_how_long_is_told_in_two_units(seconds: float, told: str) -> None:
    assert words.lasted(seconds) == told


@pytest.mark.parametrize(("listen", "hosts", "link"), [
    (None, (), None), ("unix:/run/x.sock", (), None), ("127.0.0.1:8480", ("nas",), None), ("[::1]:8480", (), None),
    ("localhost:1", (), None), ("0.0.0.0:8480", (), "http://nas1:8480/"),
    ("[::]:8480", ("nas.studio.example",), "http://nas.studio.example:8480/"),
    ("192.168.1.5:80", (), "http://192.168.1.5:80/")])
def test_a_link_is_given_only_where_others_can_open_it(listen: str | None, hosts: tuple[str, ...],
                                                       link: str | None) -> None:
    assert words.link(Web(listen=listen, hosts=hosts, token_file=None), "nas1") == link


@pytest.mark.parametrize(("url", "shown"), [
    ("mailto://user:CANARY@mail.example:587?to=x", "mailto://mail.example:587"),
    ("mailtos://user:CAN/ARY@mail.example", "mailtos://…"), ("json://host/CANARY", "json://host"),
    ("jsons://u:CAN@ARY@host:8/x", "jsons://host:8"), ("tgram://123:CANARY/1", "tgram://…"),
    ("slack://CANARY/b/c", "slack://…"), ("https://hc-ping.example/CANARY", "https://hc-ping.example"),
    ("mailto://CANARY:x", "mailto://…"), ("mailto://us#er:CANARY@host", "mailto://…"),
    ("json://[CANARY", "json://…"), ("nothing", "an address")])
def test_an_address_is_shown_without_its_secret(url: str, shown: str) -> None:
    assert addresses.redacted(url) == shown
    assert "CANARY" not in addresses.without(f"could not reach {url}", [url])


def test_no_part_of_an_address_stands_in_what_a_library_said() -> None:
    urls = ["mailto://user:CANARY-1@mail.example?pass=CANARY2", "slack://CANARY3/b/c"]
    said = addresses.without("CANARY-1 and CANARY2 are wrong at mail.example, and so is /CANARY3/b", urls)
    assert "CANARY" not in said
    assert "mail.example" in said


@pytest.mark.parametrize("said", [
    "p%40ss%2Fword1", "p%40ss%2fword1", "p@ss/word1", "p@ss%2Fword1", "p%40ss/word1", "Bad login 'p@ss/word1'.",
    '{"pass": "p@ss/word1"}', '{"pass": "p@ss\\/word1"}', "%70%40ss%2Fword1"])
def test_no_part_of_an_address_is_told_in_any_way_that_it_can_be_written(said: str) -> None:
    """What an address has as %40, a server repeats as @, and a library in its own way."""
    told = addresses.without(said, ["mailtos://user:p%40ss%2Fword1@mail.example"])
    assert "word1" not in told.lower()
    assert "ss" not in told.lower().replace("pass", "")


def test_a_space_or_a_quote_in_a_password_hides_it_all_the_same() -> None:
    told = addresses.without("""'two words' "two words" two+words two%20words \\\"quoted\\\" it\\'s-secret""", [
        "json://u:two%20words@host", "json://u:two+words@host", "json://u:%22quoted%22@host",
        "json://u:it's-secret@host"])
    assert not [word for word in ("two", "words", "quoted", "secret") if word in told], told


def test_addresses_come_from_the_file_too_and_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    notify = Notify(urls=("json://a",), urls_file=file)
    found = addresses.read(notify)
    assert found.urls == ("json://a",)
    assert "can't be read" in found.problem
    file.write_text("# ours\n\njson://b\nCANARY no address\njson://a\n")
    found = addresses.read(notify)
    assert found.urls == ("json://a", "json://b")
    assert "line 4" in found.problem
    assert "CANARY" not in found.problem + repr(found)
    file.write_text("".join(f"json://host{number}\n" for number in range(50)))
    found = addresses.read(notify)
    assert len(found.urls) == addresses.MOST
    assert "51 addresses" in found.problem
    file.write_bytes(b"x" * 1_000_000)
    assert "64 KiB" in addresses.read(notify).problem
