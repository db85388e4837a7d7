from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from diffio_watch.config import values
from diffio_watch.config.errors import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(check: Callable[[str], str], text: str) -> str:
    with pytest.raises(Wrong) as caught:
        check(text)
    return f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://api.diffio.ai", "https://api.diffio.ai/v1"),
        ("https://api.diffio.ai/", "https://api.diffio.ai/v1"),
        ("https://api.diffio.ai/v1", "https://api.diffio.ai/v1"),
        ("https://api.diffio.ai/v1/", "https://api.diffio.ai/v1"),
        ("HTTPS://API.Diffio.AI:443/v1", "https://api.diffio.ai/v1"),
        ("https://proxy.example:8443/diffio", "https://proxy.example:8443/diffio/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.9.9.9:80", "http://127.9.9.9/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("https://10.0.0.5", "https://10.0.0.5/v1"),
    ],
)
def test_addresses_that_mean_the_same_become_the_same(written: str, meant: str) -> None:
    assert values.base_url(written) == meant
    assert values.base_url(meant) == meant


@pytest.mark.parametrize(
    "text",
    ["http://api.diffio.ai", "http://127.0.0.1.nip.io", "http://10.0.0.5", "http://[::ffff:1.2.3.4]", "http://localhost.evil.example"],
)
def test_plain_http_is_for_loopback_only(text: str) -> None:
    assert "Plain http" in refused(values.base_url, text)


@pytest.mark.parametrize(
    "text",
    ["", "api.diffio.ai", "ftp://x", "https://", "https:///v1", "https://h:99999", "https://h:x", "https://[::1",
     "https://h/a b", "https://h/?", "https://h/#x", "https://u@h", "https://u:p@h", "https://h\n", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    refused(values.base_url, text)


@pytest.mark.parametrize("text", ["a", "Show-12_b", "-", "x" * 64])
def test_names_are_letters_digits_dashes_and_underscores(text: str) -> None:
    assert values.name(text) == text


@pytest.mark.parametrize(
    ("text", "proper"),
    [("show 12", "`show-12`"), ("hörspiel", "`h-rspiel`"), ("a/b", "`a-b`"), ("", "`podcasts`"), ("*", "`podcasts`"),
     ("x" * 65, f"`{'x' * 64}`"), ("a\n", "`a`")],
)  # fmt: skip
def test_other_names_are_answered_with_one(text: str, proper: str) -> None:
    assert proper in refused(values.name, text)


@pytest.mark.parametrize(
    "text", ["{stem}.restored{ext}", "{date} {inbox} {stem} ({model}){ext}", "{stem}{ext}", "{{{stem}}}{ext}"]
)
def test_patterns_of_output_names(text: str) -> None:
    assert values.output_name(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("restored{ext}", "all files would get one name"),
        ("{stem}.restored", "no type"),
        ("{stm}{ext}", "Known are {stem}, {ext}, {model}, {inbox}, {date}."),
        ("{stem.__class__}{ext}", "is not a field"),
        ("{stem[0]}{ext}", "is not a field"),
        ("{stem!r}{ext}", "is not a field"),
        ("{stem:>9999999}{ext}", "is not a field"),
        ("{}{stem}{ext}", "is not a field"),
        ("{stem{ext}", "Known are"),
        ("done/{stem}{ext}", "no slash"),
        ("../{stem}{ext}", "no slash"),
        ("{stem}\n{ext}", "no control character"),
        ("{stem}\u202e{ext}", "no control character"),
        (".{stem}{ext}", "is hidden"),
        ("{stem}" + "x" * 101 + "{ext}", "longer than 100 bytes"),
    ],
)
def test_patterns_that_would_not_do(text: str, told: str) -> None:
    assert told in refused(values.output_name, text)


@pytest.mark.parametrize(
    "text", ["audio", "video", "*.wav", "take ?.flac", "drafts/*", "master.wav", "take[0-9].wav", "[[]x"]
)
def test_entries_of_include(text: str) -> None:
    assert values.include(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [("wav", '`"*.wav"`'), ("MP3", '`"*.mp3"`'), (".flac", '`"*.flac"`'), ("", "matches nothing"),
     ("/srv/*.wav", "from the inbox on"), ("a/../../*.wav", "from the inbox on"), ("!*.wav", "from the inbox on"),
     ("take[0-9.wav", "never closed")],
)  # fmt: skip
def test_entries_of_include_that_would_not_do(text: str, told: str) -> None:
    assert told in refused(values.include, text)


@pytest.mark.parametrize("text", ["drafts", "*.bak", "old/*", "audio"])
def test_a_bare_word_is_a_pattern_to_exclude(text: str) -> None:
    assert values.glob(text) == text


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1:8480", "[::1]:8480", "0.0.0.0:0", "localhost:80", "nas.studio.example:8480", "unix:/run/x.sock"],
)
def test_addresses_to_listen_at(text: str) -> None:
    assert values.listen(text) == text


@pytest.mark.parametrize(
    "text",
    ["8480", ":8480", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:8480", "[::1]", "unix:x", "h h:80", "[x]:80",
     "h:\uff18\uff10", "unix:/" + "x" * 107, "unix:/" + "ü" * 54],
)  # fmt: skip
def test_what_is_no_address_to_listen_at(text: str) -> None:
    assert "`127.0.0.1:8480`" in refused(values.listen, text)


@pytest.mark.parametrize(("one", "other", "same"), [
    ("127.0.0.1:1", "127.0.0.1:1", True), ("127.0.0.1:1", "127.0.0.1:2", False), ("0.0.0.0:1", "127.0.0.1:1", True),
    ("[::]:1", "10.0.0.1:1", True), ("[::1]:1", "0.0.0.0:1", False), ("0.0.0.0:0", "127.0.0.1:0", False),
    ("0.0.0.0:1", "nas:2", False), ("unix:/a:1", "0.0.0.0:1", False), ("unix:/a", "unix:/a", True),
    ("10.0.0.1:1", "127.0.0.1:1", False), ("localhost:1", "127.0.0.1:1", True), ("LOCALHOST:1", "[::1]:1", True),
    ("127.1:1", "127.0.0.1:1", True), ("[0:0:0:0:0:0:0:1]:1", "[::1]:1", True), ("localhost:1", "10.0.0.1:1", False),
    ("0.0.0.0:1", "localhost:1", True), ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", True),
    ("[::ffff:0.0.0.0]:1", "10.0.0.1:1", True), ("[::ffff:10.0.0.1]:1", "[::1]:1", False),
    ("nas:1", "localhost:1", False), ("nas:1", "NAS:1", True), ("127.0.0.1:08480", "0.0.0.0:8480", True),
    ("nas:00", "0.0.0.0:0", False), ("unix:/a", "unix:/b", False),
])
def test_two_addresses_that_can_not_be_listened_at_both(one: str, other: str, same: bool) -> None:
    assert values.same_place(one, other) is same
    assert values.same_place(other, one) is same


def test_host_names() -> None:
    assert values.host("NAS.studio.example") == "nas.studio.example"
    assert values.host("192.168.1.5") == "192.168.1.5"
    assert "host name" in refused(values.host, "https://nas")


@pytest.mark.parametrize("text", ["diffio-4.6-flash", "diffio-3.5", "diffio_9"])
def test_any_model_s_id_is_taken(text: str) -> None:
    assert values.model(text) == text


@pytest.mark.parametrize("text", ["", "a/b", "../x", "a b", "-x", "x?y", "x" * 101])
def test_a_model_s_id_can_not_change_the_address_it_becomes_part_of(text: str) -> None:
    refused(values.model, text)
