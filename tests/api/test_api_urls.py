from __future__ import annotations

import threading

import pytest
from api_wild import Bytes, Memory, Wild, http

from diffio_watch.api import Ambiguous, Api, DownloadLink, Session, SignedPut, Storage, UnsafeUrl
from diffio_watch.api.urls import parse, safe

PUBLIC = [
    "https://storage.googleapis.com/bucket/a%20b?X-Goog-Signature=ab%2Fcd&x=1",
    "https://bucket.s3.eu-central-1.amazonaws.com:443/key",
    "https://Edge.Diffio.AI",
    "https://edge.diffio.ai./v1",
    "https://8.8.8.8/x",
    "https://[2001:4860:4860::8888]/x",
    "https://xn--bcher-kva.example/x",
    "https://a_b.example.com/x?u=http://10.0.0.1/@me",
]

LOOPBACK = [
    "http://127.0.0.1/x", "http://127.0.0.1:8080/x", "https://127.0.0.1/x", "http://127.1.2.3/x", "http://localhost/x",
    "http://localhost./x", "http://LOCALHOST:1/x", "http://storage.localhost/x", "http://[::1]/x",
    "http://[0:0:0:0:0:0:0:1]:80/x", "https://localhost.localdomain/x", "https://ip6-localhost/x",
]

HOSTILE = [
    # no https
    "http://storage.googleapis.com/x", "ftp://storage.googleapis.com/x", "file:///etc/passwd", "gopher://x.example/",
    "//storage.googleapis.com/x", "storage.googleapis.com/x", "https:storage.googleapis.com", "https:///x", "",
    "https://", "javascript:alert(1)", "data:audio/mpeg;base64,AAAA", "HTTP://8.8.8.8/",
    # somebody in it
    "https://user@storage.googleapis.com/x", "https://user:pw@storage.googleapis.com/x",
    "https://storage.googleapis.com@10.0.0.1/x", "https://10.0.0.1\\@storage.googleapis.com/x",
    "https://storage.googleapis.com:80@127.0.0.1/x", "https://@storage.googleapis.com/",
    # private and special IPv4
    "https://10.0.0.1/x", "https://10.255.255.255", "https://172.16.0.1/x", "https://172.31.255.1/x",
    "https://192.168.1.1/x", "https://169.254.169.254/latest/meta-data", "https://0.0.0.0/x", "https://100.64.0.1/x",
    "https://224.0.0.1/x", "https://240.0.0.1/x", "https://255.255.255.255/x", "https://198.18.0.1/x",
    "https://192.0.2.1/x", "https://192.0.0.8/x",
    # the same in disguise
    "https://2130706433/x", "https://0x7f000001/x", "https://0x7f.1/x", "https://0177.0.0.1/x", "https://127.1/x",
    "https://127.0.1/x", "https://017700000001/x", "https://0xa.0.0.1/x", "https://10.0.0.1./x", "https://010.0.0.1/x",
    "https://3232235777/x", "https://0300.0250.1.1/x", "https://1.2.3.4.5/x", "https://256.1.1.1/x", "https://1.1.1/x",
    "https://99999999999/x", "https://0x/x", "https://\uff11\uff12\uff17.0.0.1/x", "https://127。0。0。1/x", "https://%31%32%37.0.0.1/x",
    # IPv6
    "https://[::]/x", "https://[fc00::1]/x", "https://[fd12:3456::1]/x", "https://[fe80::1]/x", "https://[fe80::1%25eth0]/x",
    "https://[ff02::1]/x", "https://[::ffff:10.0.0.1]/x", "https://[::ffff:127.0.0.1]/x", "https://[::ffff:8.8.8.8]/x",
    "https://[::127.0.0.1]/x", "https://[64:ff9b::a00:1]/x", "https://[2002:a00:1::]/x", "https://[2001:0:a00:1::]/x",
    "https://[2001:db8::1]/x", "https://[fec0::1]/x", "https://[::1/x", "https://::1/x", "https://[1::2::3]/x", "https://[]/x",
    "https://[127.0.0.1]/x",
    # names of the local network
    "https://intranet/x", "https://metadata.google.internal/computeMetadata", "https://nas.local/x", "https://printer.lan/x",
    "https://router.home.arpa/x", "https://box.localdomain/x",
    # shapes that parsers read in different ways
    "https://storage.googleapis.com#@10.0.0.1/x", "https://a.example/x#fragment",
    "https://a.example/\r\nHost: b.example",
    "https://a.example\t.evil.example/", "https://a..example/x", "https://.example/x", "https://-a.example/x",
    "https://a.example:0/x", "https://a.example:65536/x", "https://a.example:99999999999/x", "https://a.example:x/",
    "https://a.example:/x", "https://exa mple.com/", "https://münchen.example/x", "https://a.example/\x00", "https://a.example/é",
    "https://a.example/" + "x" * 20_000, "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/",
    " https://a.example/", "https://a.example/ ", "https://a,b.example/", "https://a*.example/", "https://$(id).example/",
]  # fmt: skip


@pytest.mark.parametrize("url", PUBLIC)
@pytest.mark.parametrize("loopback", [False, True])
def test_https_to_a_public_host_is_fine(url: str, *, loopback: bool) -> None:
    assert safe(url, loopback=loopback).scheme == "https"


@pytest.mark.parametrize("url", HOSTILE)
@pytest.mark.parametrize("loopback", [False, True])
def test_anything_else_is_refused_wherever_the_api_is(url: str, *, loopback: bool) -> None:
    with pytest.raises(UnsafeUrl) as caught:
        safe(url, loopback=loopback)
    assert not url or url not in str(caught.value)


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_is_for_an_api_on_loopback_only(url: str) -> None:
    assert safe(url, loopback=True).loopback
    with pytest.raises(UnsafeUrl):
        safe(url, loopback=False)


def test_there_are_at_least_sixty_hostile_urls() -> None:
    assert len(set(HOSTILE)) >= 60


def test_what_is_sent_are_the_very_bytes_that_were_signed() -> None:
    target = parse("https://a.example/./x/../y//%2e%2E/z?b=%2F+'&a=[1]&sig=%e2%82")
    assert target.path == "/./x/../y//%2e%2E/z?b=%2F+'&a=[1]&sig=%e2%82"


def test_a_signed_path_shows_in_no_repr() -> None:
    assert "canary" not in repr(parse("https://a.example/canary?sig=canary"))


@pytest.mark.parametrize(("url", "origin"), [
    ("https://A.example:443/x", "https://a.example"),
    ("https://a.example.:8443?x=1", "https://a.example:8443"),
    ("http://[0:0::1]:80/", "http://[::1]"),
])
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert parse(url).origin == origin


@pytest.mark.parametrize(
    "base", ["http://api.diffio.ai/v1", "http://192.168.1.5/v1", "ftp://x/v1", "https://u:p@a.example/v1", ""]
)
def test_an_api_in_the_clear_or_with_a_user_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match=r"http|URL"):
        Api(base, lambda: "key", connect_timeout=1, read_timeout=1, stop=threading.Event())


BAD = ["https://10.0.0.1/x", "https://user@a.example/x", "http://a.example/x"]


@pytest.mark.parametrize("url", BAD)
def test_the_api_naming_an_unsafe_host_fails_the_call(wild: Wild, api: Api, url: str) -> None:
    session = {"edgeBaseUrl": url, "uploadToken": "t", "partSizeBytes": 5}
    wild.replies = [
        http(200, {"apiProjectId": "p", "uploadUrl": url, "uploadMethod": "PUT"}),
        http(200, {"apiProjectId": "p", "upload": session}),
        http(200, {"generationId": "g", "downloadType": "audio", "downloadUrl": url}),
    ]
    for _ in range(2):
        with pytest.raises(UnsafeUrl):
            api.create_project(file_name="a", content_type="audio/wav", content_length=1)
    with pytest.raises(UnsafeUrl):
        api.download_link("g", "p")
    assert len(wild.seen) == 3  # not tried again


@pytest.mark.parametrize("url", BAD)
def test_storage_checks_again_what_comes_from_a_file_or_an_older_answer(storage: Storage, url: str) -> None:
    session = Session(url, "t", 5, None, None)
    sink = Memory()
    for call in (
        lambda: storage.put(SignedPut(url, "PUT", "a/b", None), Bytes(b"x")),
        lambda: storage.start(session),
        lambda: storage.send_part(session, "u", 1, Bytes(b"x")),
        lambda: storage.complete(session, "u", []),
        lambda: storage.abort(session, "u"),
        lambda: storage.download(DownloadLink(url, "audio", None, None), sink),
    ):
        with pytest.raises(UnsafeUrl):
            call()


def test_an_edge_base_url_with_a_query_is_refused(storage: Storage, wild: Wild) -> None:
    with pytest.raises(UnsafeUrl):
        storage.start(Session(wild.url + "/?x=", "t", 5, None, None))


def test_an_answer_about_another_generation_gives_no_link(wild: Wild, api: Api) -> None:
    wild.replies = [http(200, {"generationId": "other", "downloadType": "audio", "downloadUrl": wild.url})]
    with pytest.raises(Ambiguous):
        api.download_link("g", "p")
