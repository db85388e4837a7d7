"""Lenient where nothing depends on it, strict where money or content does: an answer in another dress says the same.

The mutations are what JSON writers, proxies and a service that moves on do to an answer; hypothesis puts them together.
"""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from api_wild import TOKEN, Bytes, Memory, Seen, Wild, audio, http, put_to, reset
from hypothesis import given, settings
from hypothesis import strategies as st

from diffio_watch.api import Ambiguous, Api, BadDownload, DownloadLink, Received, Session, Storage
from diffio_watch.api.answers import LIST_LIMIT, Answer
from diffio_watch.api.fields import Fields
from diffio_watch.api.shapes import (
    Generation,
    GenerationSummary,
    Progress,
    Project,
    ProjectSummary,
    StoredUpload,
)

Reader = Callable[[Fields], object]


def answer(body: bytes, **headers: str) -> Answer:
    half = len(body) // 2
    pieces = [piece for piece in (body[:half], body[half:]) if piece]
    return Answer(200, {name.replace("_", "-"): value for name, value in headers.items()}, iter(pieces))


UPLOAD: Final = {"edgeBaseUrl": "https://a.example/e", "uploadToken": "t" * 700, "partSizeBytes": 33_554_432,
                 "maxBytes": 2_147_483_648, "expiresAt": "2030-01-01T00:00:00Z"}
STAGE: Final = {"jobId": "j", "progress": 50, "status": "processing", "error": None}
TRUE: Final[dict[str, tuple[dict[str, Any], Reader]]] = {
    "session": ({"apiProjectId": "p1", "upload": UPLOAD}, lambda fields: Project.read(fields, "audio/wav")),
    "put": ({"apiProjectId": "p1", "uploadUrl": "https://a.example/x?s=1", "uploadMethod": "PUT",
             "expiresAt": "2030-01-01T00:00:00Z"}, lambda fields: Project.read(fields, "audio/wav")),
    "stored": ({"apiProjectId": "p1", "status": "uploaded", "sizeBytes": 5},
               lambda fields: StoredUpload.read(fields, "p1")),
    "generation": ({"generationId": "g1", "apiProjectId": "p1", "modelKey": "m", "status": "queued",
                    "idempotentReplay": True}, Generation.read),
    "progress": ({"generationId": "g1", "status": "processing", "hasVideo": True, "preProcessing": STAGE,
                  "inference": STAGE, "queue": {"position": 4, "remainingSeconds": 12}, "stage": "inference"},
                 lambda fields: Progress.read(fields, "g1")),
    "link": ({"generationId": "g1", "downloadType": "audio", "downloadUrl": "https://a.example/x", "fileName": "a.mp3",
              "mimeType": "audio/mpeg"}, lambda fields: DownloadLink.read(fields, "g1", "audio")),
    "generations": ({"generations": [{"generationId": "g1", "status": "queued", "progress": 5, "createdAt": 9}]},
                    lambda fields: fields.rows("generations", GenerationSummary.read)),
    "projects": ({"projects": [{"apiProjectId": "p1", "originalFileName": "a.wav", "generationCount": 2,
                                "createdAt": "2030-01-01T00:00:00Z"}]},
                 lambda fields: fields.rows("projects", ProjectSummary.read)),
}


def dressed(value: Any, draw: st.DrawFn) -> Any:
    """The same JSON as another writer may put it."""
    match value:
        case dict():
            more: dict[str, Any] = draw(st.dictionaries(st.sampled_from(["x-new", "trace", "links"]), st.sampled_from(
                [None, 1, [], {}, "words", float("nan"), float("inf"), 10**400]), max_size=2))
            # what it has itself wins, in whatever order
            mixed = {**more, **{name: dressed(inner, draw) for name, inner in value.items()}}
            return dict(draw(st.permutations(list(mixed.items()))))
        case list():
            spoilt: list[Any] = draw(st.lists(st.sampled_from([None, 5, "row", {}, [], {"generationId": ""},
                                                    {"apiProjectId": {"id": 1}}]), max_size=2))
            return draw(st.permutations([*(dressed(inner, draw) for inner in value), *spoilt]))
        case bool():
            return draw(st.sampled_from([value, str(value).lower(), int(value)]))
        case int():
            return draw(st.sampled_from([value, str(value), float(value), f" {value} ", f"{value}.0"]))
        case "processing" | "queued":
            return draw(st.sampled_from([value, value.upper(), value.title()]))
        case "2030-01-01T00:00:00Z":
            return draw(st.sampled_from([value, 1893456000, "1893456000", 1893456000000, "2030-01-01T00:00:00+00:00",
                                         "Tue, 01 Jan 2030 00:00:00 GMT", "2030-01-01T01:00:00.000+01:00"]))
    return value


@st.composite
def wired(draw: st.DrawFn, value: Any) -> tuple[bytes, dict[str, str]]:
    """Its bytes and headers, as another server or a proxy may send them."""
    raw = json.dumps(dressed(value, draw), ensure_ascii=draw(st.booleans()),
                     indent=draw(st.sampled_from([None, 2]))).encode()
    raw = draw(st.sampled_from([raw, b"\xef\xbb\xbf" + raw, b"\r\n" + raw + b"\n",
                                raw.decode().encode("utf-16")]))
    kind = draw(st.sampled_from(["application/json", "text/html; charset=UTF-8", "text/plain", ""]))
    packed = draw(st.sampled_from(["", "gzip", "x-gzip", "deflate", "silent", "lied", "twice"]))
    headers = {"content-type": kind}
    match packed:
        case "gzip" | "x-gzip":
            return gzip.compress(raw), {**headers, "content-encoding": packed}
        case "deflate":
            return zlib.compress(raw), {**headers, "content-encoding": packed}
        case "silent":  # a proxy packed it and forgot to say so
            return gzip.compress(raw), headers
        case "lied":
            return raw, {**headers, "content-encoding": "gzip"}
        case "twice":  # in two members
            return gzip.compress(raw[:9]) + gzip.compress(raw[9:]), {**headers, "content-encoding": "gzip"}
    return raw, headers


@pytest.mark.parametrize("name", TRUE)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_an_answer_in_another_dress_says_the_same(name: str, data: st.DataObject) -> None:
    value, read = TRUE[name]
    raw, headers = data.draw(wired(value))
    plain = read(answer(json.dumps(value).encode()).fields())
    assert read(Answer(200, headers, iter([raw[:1], raw[1:7], raw[7:]])).fields()) == plain


NEEDED: Final = {"session": ("apiProjectId", "upload"), "put": ("apiProjectId", "uploadUrl"),
                 "stored": ("apiProjectId",), "generation": ("generationId", "apiProjectId"),
                 "progress": ("status",), "link": ("downloadUrl",), "generations": (), "projects": ()}
CHECKED: Final = ("generationId", "generations", "projects")  # may be missing, and if not has to be what it should be


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("nothing", [None, "", {}, 1.5, "gone"])
def test_a_hint_that_makes_no_sense_costs_itself_and_what_counts_costs_the_answer(name: str, nothing: object) -> None:
    value, read = TRUE[name]
    missing = nothing in (None, "gone")
    for field in value:
        spoilt = {key: inner for key, inner in value.items() if key != field}
        if nothing != "gone":
            spoilt[field] = nothing
        if field in NEEDED[name] or (field in CHECKED and not missing):
            with pytest.raises(Ambiguous):
                read(Fields(spoilt))
        else:
            read(Fields(spoilt))


@pytest.mark.parametrize("id_", [7, "p/1", "p 1", "projekt-\u00e4\u00f6", "0", "x" * 1024, "urn:uuid:1;v=2"])
def test_an_id_is_an_opaque_text(id_: object) -> None:
    made = Generation.read(Fields({"generationId": id_, "apiProjectId": id_}))
    assert made.generation_id == made.project_id == str(id_)
    assert Progress.read(Fields({"generationId": id_, "status": "complete"}), str(id_)).status == "complete"


@pytest.mark.parametrize("id_", ["", " ", "a\nb", "a\x1b[2J", "a\u202eb", "\ud800", "a\ufffdb", "x" * 1025, True, 1.5,
                                 [], {}, None])
def test_what_could_be_no_id_or_was_damaged_on_its_way_is_none(id_: object) -> None:
    with pytest.raises(Ambiguous):
        Generation.read(Fields({"generationId": id_, "apiProjectId": "p"}))


def test_bytes_that_are_no_text_spoil_the_words_they_are_in_and_no_more() -> None:
    found = Progress.read(answer(b'{"generationId": "g1", "status": "failed", "error": "\xe4h"}').fields(), "g1")
    assert (found.status, found.error) == ("failed", "\ufffdh")
    with pytest.raises(Ambiguous):
        Progress.read(answer(b'{"generationId": "g\xe4", "status": "failed"}').fields(), "g\ufffd")


def test_a_gateways_error_is_no_word_on_a_generation() -> None:
    """Money depends on `failed`: who says so has to name the generation."""
    for body in ({"status": "error", "message": "upstream"}, {"status": "failed", "generationId": None}):
        with pytest.raises(Ambiguous):
            Progress.read(Fields(body), "g1")
    assert Progress.read(Fields({"status": "processing"}), "g1").status == "processing"
    with pytest.raises(Ambiguous):
        Progress.read(Fields({"status": "complete", "generationId": "g2"}), "g1")


@pytest.mark.parametrize("token", ["t" * 700, "t" * 16_384, "ey.J_0-~+/="])
def test_a_long_token_goes_into_the_header_as_it_is(token: str, wild: Wild, storage: Storage) -> None:
    project = Project.read(Fields({"apiProjectId": "p", "upload": {**UPLOAD, "uploadToken": token}}), "audio/wav")
    assert project.session is not None
    wild.replies = [http(200, {"uploadId": "u"})]
    kept = Session.from_json(project.session.to_json())
    storage.start(replace(kept, edge=wild.url))
    assert wild.seen[0].headers["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize("size", [None, 0, -5, True, "much", 1.5, 6 << 30, [], 10**400])
def test_a_part_size_that_makes_no_sense_is_not_told(size: object, wild: Wild, storage: Storage) -> None:
    """The one of `start` wins over the session's, and that over the documented one."""
    project = Project.read(Fields({"apiProjectId": "p", "upload": {**UPLOAD, "partSizeBytes": size}}), "audio/wav")
    assert project.session is not None
    assert project.session.part_size == 32 << 20
    wild.replies = [http(200, {"uploadId": 12, "partSizeBytes": None if size == 10**400 else size})]
    assert storage.start(Session(wild.url, TOKEN, 4, None, None)) == ("12", 4)


@pytest.mark.parametrize("size", ["4", 4.0, "4.0", 4])
def test_a_part_size_may_come_as_text(size: object, wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, {"uploadId": "u", "partSizeBytes": size})]
    assert storage.start(Session(wild.url, TOKEN, 7, None, None)) == ("u", 4)


@pytest.mark.parametrize(("told", "size"), [("5", 5), (5.0, 5), (" 5 ", 5), (None, None), ("many", None), (-5, None),
                                            (5.5, None), ([], None)])
def test_a_stored_size_may_come_as_text_and_what_is_no_size_is_not_told(told: object, size: int | None) -> None:
    assert StoredUpload.read(Fields({"apiProjectId": "p1", "sizeBytes": told}), "p1").size_bytes == size


ANY_YES: Final = [b"", b"OK", b"null", b"[]", b"{", b"<?xml version='1.0'?><CompleteMultipartUploadResult/>",
                  gzip.compress(b"{}"), b"x" * (2 << 20)]


@pytest.mark.parametrize("body", ANY_YES, ids=range(len(ANY_YES)))
def test_the_edges_yes_needs_no_json_where_nothing_is_read_from_it(body: bytes, wild: Wild, storage: Storage) -> None:
    """What it stored is asked of the API anyway."""
    session = Session(wild.url, TOKEN, 4, None, None)
    wild.replies = [http(200, body, "Content-Type: text/html")]
    storage.complete(session, "u", [(1, '"e"')])
    storage.abort(session, "u")
    storage.put(put_to(wild.url), Bytes(b"x"))
    assert len(wild.seen) == 3


@pytest.mark.parametrize("page", [b"<html>", b"\xef\xbb\xbf <!doctype HTML>", gzip.compress(b"<html>")], ids=range(3))
def test_a_page_is_no_yes_of_the_edge(page: bytes, wild: Wild, storage: Storage) -> None:
    wild.replies = [http(200, page, "Content-Type: application/json")]
    with pytest.raises(Ambiguous, match="page"):
        storage.complete(Session(wild.url, TOKEN, 4, None, None), "u", [(1, '"e"')])


@pytest.mark.parametrize(("body", "headers", "tag"), [
    (b'{"etag": "\\"e\\""}', (), '"e"'), (b'{"etag": 5}', ('ETag: "h"',), "5"), (b"", ('ETag: "h"',), '"h"'),
    (b" \r\n", ('ETag: W/"h"',), 'W/"h"'), (b"{}", ('ETag: "h"',), None), (b"<html>", ('ETag: "h"',), None),
    (b"", (), None), (b"OK", ('ETag: "h"',), None),
])
def test_a_parts_tag_is_in_the_json_or_in_the_header_of_an_answer_without_a_body(
    body: bytes, headers: tuple[str, ...], tag: str | None, wild: Wild, storage: Storage
) -> None:
    wild.replies = [http(200, body, *headers)]
    session = Session(wild.url, TOKEN, 4, None, None)
    if tag is None:
        with pytest.raises(Ambiguous):
            storage.send_part(session, "u", 1, Bytes(b"x"))
    else:
        assert storage.send_part(session, "u", 1, Bytes(b"x")) == tag


def test_a_list_may_be_long_and_a_bad_row_costs_itself(wild: Wild, api: Api) -> None:
    """5,000 projects are over 1 MiB."""
    rows: list[object] = [{"apiProjectId": f"proj_{number:020}", "originalFileName": f"take {number}.wav",
                           "contentType": "audio/wav", "status": "uploaded", "hasVideo": False, "generationCount": 1,
                           "createdAt": "2030-01-01T00:00:00.000Z", "updatedAt": "2030-01-01T00:00:00.000Z"}
                          for number in range(5000)]
    body = json.dumps({"projects": [*rows, {"apiProjectId": None}, None, "x"]}).encode()
    assert 1 << 20 < len(body) < LIST_LIMIT
    wild.replies = [http(200, body)]
    assert len(api.list_projects()) == 5000


@pytest.mark.parametrize(("told", "found"), [
    ({"generations": None}, 0), ({}, 0), ({"generations": []}, 0),
    ({"apiProjectId": "p1", "generations": [{"generationId": "g"}, {"generationId": None}]}, 1),
])
def test_null_is_an_empty_list(told: dict[str, object], found: int, wild: Wild, api: Api) -> None:
    wild.replies = [http(200, told)]
    assert len(api.list_generations("p1")) == found


@pytest.mark.parametrize("told", [
    {}, {"generations": [{"generationId": "g"}, {"generationId": None}]}, {"generations": ["g"]}, {"generations": {}},
    {"apiProjectId": "p2", "generations": []},
    {"generations": [], "nextPageToken": "x"}, {"generations": [{"generationId": "g"}], "hasMore": True},
])
def test_where_money_depends_on_a_list_every_row_of_it_counts(told: dict[str, object], wild: Wild, api: Api) -> None:
    """A row that can't be read may be the purchase that is looked for."""
    wild.replies = [http(200, told)]
    with pytest.raises(Ambiguous):
        api.list_generations("p1", every=True)
    wild.replies = [http(200, {"generations": None})]
    assert api.list_generations("p1", every=True) == []
    wild.replies = [http(200, {"generations": [], "nextPageToken": "", "hasMore": False})]
    assert api.list_generations("p1", every=True) == []


DATA: Final = b"ID3" + bytes(range(256)) * 5000


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/xml", "image/svg+xml", "text/plain"])
def test_a_downloads_type_is_not_believed_over_its_bytes(kind: str, wild: Wild, storage: Storage) -> None:
    """Objects are often stored under the type of whatever stored them; what holds no media is found out by looking."""
    wild.replies = [http(200, DATA, f"Content-Type: {kind}")]
    sink = Memory()
    received = storage.download(audio(wild.url), sink)
    assert sink.data == DATA
    assert received.document is (kind != "text/plain")


def packed(data: bytes, encoding: str, *headers: str) -> bytes:
    return http(200, data, f"Content-Encoding: {encoding}", 'ETag: "v1"', *headers)


@pytest.mark.parametrize("reply", [
    packed(gzip.compress(DATA), "gzip"), packed(gzip.compress(DATA), "x-gzip"), packed(zlib.compress(DATA), "deflate"),
    packed(gzip.compress(DATA[:99]) + gzip.compress(DATA[99:]), "gzip"), packed(DATA, "gzip"),
    packed(DATA, "identity, identity"),
], ids=range(6))
def test_a_download_that_came_packed_is_unpacked(reply: bytes, wild: Wild, storage: Storage) -> None:
    wild.replies = [reply]
    sink = Memory()
    assert storage.download(audio(wild.url), sink) == Received(len(DATA), None)
    assert sink.data == DATA
    assert max(sink.writes) < 3 << 20


@pytest.mark.parametrize("reply", [
    packed(gzip.compress(DATA)[:-9], "gzip"), packed(gzip.compress(DATA)[:-1] + b"x", "gzip"),
    packed(gzip.compress(DATA) + b"more", "gzip"), packed(DATA, "br"), packed(gzip.compress(DATA), "gzip, br"),
], ids=["cut", "wrong checksum", "more", "unknown", "two"])
def test_a_packed_download_that_is_not_provably_whole_is_none(reply: bytes, wild: Wild, storage: Storage) -> None:
    wild.replies = [reply]
    with pytest.raises((Ambiguous, BadDownload)):
        storage.download(audio(wild.url), Memory())


def half_of(whole: bytes) -> Callable[[socket.socket, Seen], None]:
    def reply(conn: socket.socket, _: Seen) -> None:
        conn.sendall(whole[: len(whole) // 2])
        conn.close()

    return reply


def test_a_packed_download_that_broke_off_starts_over(wild: Wild, storage: Storage) -> None:
    """A range counts the packed bytes, so there is none to be asked for."""
    whole = packed(gzip.compress(DATA), "gzip")
    wild.replies = [half_of(whole), whole]
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.data == DATA
    assert "range" not in wild.seen[1].headers


def test_packed_nothing_is_unpacked_in_bounded_pieces(wild: Wild, storage: Storage) -> None:
    silence = b"RIFF" + bytes(16 << 20)
    wild.replies = [packed(gzip.compress(silence), "gzip")]
    sink = Memory()
    storage.download(audio(wild.url), sink)
    assert sink.size == len(silence)
    assert max(sink.writes) <= 2 << 20


def test_an_answer_that_unpacks_to_absurd_size_is_not_unpacked_on() -> None:
    bomb = gzip.compress(bytes(16 << 20))
    with pytest.raises(Ambiguous, match="longer"):
        answer(bomb, content_encoding="gzip").body()


def test_a_download_whose_length_nobody_told_is_had_but_not_proven(wild: Wild, storage: Storage) -> None:
    wild.replies = [b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n\r\n" + DATA]
    sink = Memory()
    assert storage.download(audio(wild.url), sink) == Received(len(DATA), "audio/mpeg", proven=False)
    assert sink.data == DATA


def test_a_download_is_proven_by_the_range_that_tells_the_whole(wild: Wild, storage: Storage) -> None:
    def broken(conn: socket.socket, seen: Seen) -> None:
        conn.sendall(b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nConnection: close\r\n\r\n' + DATA[:1000])
        time.sleep(0.05)  # so that a reset does not overtake it
        reset(conn, seen)

    wild.replies = [broken, http(206, DATA[1000:], 'ETag: "v1"',
                                 f"Content-Range: bytes 1000-{len(DATA) - 1}/{len(DATA)}")]
    sink = Memory()
    assert storage.download(audio(wild.url), sink).proven
    assert sink.data == DATA

