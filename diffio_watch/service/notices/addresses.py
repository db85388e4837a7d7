"""Whom to tell: the addresses of the configuration and of `notify.urls_file`, and how they are shown."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus, unquote, unquote_plus, urlsplit

from diffio_watch.config import Notify, Wrong, notice_url, read_small
from diffio_watch.disk.mounts import around, table
from diffio_watch.disk.names import show
from diffio_watch.disk.trouble import Trouble, trouble

MOST: Final = 20  # addresses
_LONGEST_FILE: Final = 65_536
# errors that are a word about the file itself, where all else speaks of the disk, the share or this machine
_OF_THE_FILE: Final = frozenset({Trouble.NO_RIGHT, Trouble.IN_THE_WAY, Trouble.BAD_NAME})
_SURE: Final = 5.0  # seconds between two looks that say so, before it is believed: an editor may be writing it anew
# of these what stands first is a server's name; of others it is as often a token
_HOSTED: Final = frozenset({"form", "forms", "gotify", "gotifys", "http", "https", "json", "jsons", "mailto", "mailtos",
                            "matrix", "matrixs", "xml", "xmls"})
_BETWEEN: Final = re.compile(r"[/:@?&=#,\[\]\s]+")
_TOLD: Final = 4  # letters of a part that is hidden: fewer stand in any word
_HIDDEN: Final = 8  # letters of a part that no log tells: passwords and tokens have as many, few other words have
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9_+.-]{0,40})://")
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,120}[A-Za-z0-9])?(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file was when it was read: without links, and on what."""

    path: str
    mounts: frozenset[str]

    @property
    def changed(self) -> bool:
        """Whether something else is mounted there, or nothing any more."""
        return self.mounts != around([self.path], table())


@dataclass(frozen=True, slots=True)
class Addresses:
    """Whom to tell.

    Attributes:
        urls: their addresses.
        problem: why these are not all that were meant, in words; "" where they are.
        file: that of `notify.urls_file`, if any.
        listed: what stood in it when it was read last; None: nobody knows yet.
        unread: whether the last look at it was in vain.
        place: where it was when it was read last.
        missing: since when it is not there, for a moment or for good, in seconds of a clock that nobody sets.
    """

    urls: tuple[str, ...] = ()
    problem: str = ""
    file: Path | None = None
    listed: tuple[str, ...] | None = None
    unread: bool = False
    place: Place | None = None
    missing: float | None = None

    @property
    def lacks_file(self) -> bool:
        """Whether there are to be more, and nobody knows them yet."""
        return self.file is not None and self.listed is None

    def __repr__(self) -> str:  # passwords stand in them
        return f"Addresses({len(self.urls)}, {self.problem!r})"


def read(notify: Notify, before: Addresses = Addresses(), steady: float = 0.0, *, expected: bool = False) -> Addresses:
    """Whom to tell as it is now; the file may have changed since the last time.

    What was read of it stands until it is read again. That it is not there, or may not be read, counts as nobody, as a
    person may have meant it: if that lasts, and nothing was mounted or unmounted there meanwhile. Any other error, such
    as the silence of its disk, is often what there is to tell.

    Args:
        notify: what is configured.
        before: what came of the last look.
        steady: seconds of a clock that nobody sets.
        expected: whether somebody stood in it in an earlier run: its share may be mounted later than this one began.
    """
    found = before if before.file == notify.urls_file else Addresses(file=notify.urls_file)
    problems: list[str] = []
    if found.file is not None:
        try:
            listed, place, problems = _from_file(found.file)
            found = replace(found, listed=listed, unread=False, place=place, missing=None)
        except OSError as error:
            found = _unread(found, error, steady, expected=expected)
            problems = [f"`notify.urls_file` ({show(str(found.file))}) can't be read: {error.strerror}."]
            if found.listed:
                problems.append("The addresses that stood there before are told.")
    urls = list(dict.fromkeys([*notify.urls, *(found.listed or ())]))
    if len(urls) > MOST:
        problems.append(f"There are {len(urls)} addresses, and only the first {MOST} are told.")
        urls = urls[:MOST]
    return replace(found, urls=tuple(urls), problem=" ".join(problems))


def _unread(before: Addresses, error: OSError, steady: float, *, expected: bool) -> Addresses:
    """What is known after a look in vain."""
    away = expected if before.place is None else before.place.changed
    if before.listed == () or away or trouble(error.errno) not in _OF_THE_FILE:
        return replace(before, unread=True, missing=None)
    since = steady if before.missing is None else before.missing
    if steady - since < _SURE:
        return replace(before, unread=True, missing=since)
    return replace(before, unread=True, missing=None, listed=())


def everybody_reads(file: Path) -> bool:
    """Whether everybody on this machine can read a file; not where that can't be said."""
    try:
        return bool(read_small(file, _LONGEST_FILE).facts.st_mode & 0o004)
    except OSError:
        return False


def redacted(url: str) -> str:
    """An address as it may be shown: how it is told, and by which server where that is known to be no secret."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "an address"
    kind = scheme[1].lower()
    if kind in _HOSTED:
        try:
            place = urlsplit(f"x{url[len(scheme[1]):]}").netloc.rpartition("@")[2]
        except ValueError:
            place = ""
        # a password with a slash in it ends the place too early
        if _HOST.fullmatch(place) and ("@" not in url or "@" in url[:url.index(place) + 1]):
            return f"{kind}://{place}"
    return f"{kind}://…"


def secrets(url: str) -> set[str]:
    """What of an address no line of a log may tell: all of it, and whatever in it may be a password or a token."""
    shown = redacted(url)
    return {part for part in {url, *_parts(url)} if len(part) >= _HIDDEN and part not in shown} | _password(url)


def _password(url: str) -> set[str]:
    try:
        found = urlsplit(url).password
    except ValueError:
        found = None
    return {word for word in (found, unquote(found)) if len(word) >= _TOLD} if found else set()


def name(url: str, secret: bytes) -> str:
    """What an address is remembered by. It says nothing about it to who has not the journal's secret."""
    return hmac.new(secret, b"notice\0" + url.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


def without(text: str, urls: Iterable[str]) -> str:
    """Foreign words without anything that stands in these addresses, but for the servers' names."""
    for url in urls:
        shown = redacted(url)
        text = text.replace(url, shown)
        for part in sorted(_parts(url), key=len, reverse=True):
            if len(part) >= _TOLD and part not in shown:
                text = re.sub("".join(map(_however_written, part)), "***", text)
    return text


def _parts(url: str) -> set[str]:
    """What stands in an address, as it is written there and as it is meant."""
    written = set(_BETWEEN.split(url))
    meant = {decoded(part) for part in written for decoded in (unquote, unquote_plus)}
    return written | meant | {piece for part in meant for piece in _BETWEEN.split(part)}


def _however_written(letter: str) -> str:
    """A pattern for a letter as it is, as an address has it, or as a quoted text has it."""
    encoded = {re.escape(quote_plus(letter, errors="replace")), f"\\\\u{ord(letter):04x}",
               "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "replace"))} - {re.escape(letter)}
    return ("\\\\*" if letter in "'\"\\/" else "") + (
        f"(?:{re.escape(letter)}|{'|'.join(f'(?i:{one})' for one in sorted(encoded))})")


def _from_file(file: Path) -> tuple[tuple[str, ...], Place, list[str]]:
    """The addresses in a file, one a line, where it is, and what is wrong with it. Nothing of a line is repeated."""
    called = f"`notify.urls_file` ({show(str(file))})"
    mounted = table()
    text, _, real = read_small(file, _LONGEST_FILE)
    # where they were changed just now, both, which no later look finds
    place = Place(real, around([real], mounted) | around([real], table()))
    if len(text) > _LONGEST_FILE:
        return (), place, [f"{called} has more than {_LONGEST_FILE // 1024} KiB: it can't be a list of addresses."]
    urls, wrong = [], []
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        entry = line.strip().lstrip("\ufeff")
        if entry and not entry.startswith("#"):
            try:
                urls.append(notice_url(entry))
            except Wrong:
                wrong.append(number)
    if wrong:
        lines = ", ".join(map(str, wrong[:5])) + (" and others" if len(wrong) > 5 else "")
        return tuple(urls), place, [f"{called} has no address in line {lines}."]
    return tuple(urls), place, []
