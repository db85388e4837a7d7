"""Which names are meant: the built-in junk list, then `recursive`, `include` and `exclude`. Each rule can say why."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase, translate
from typing import Final

from diffio_watch.config import Inbox
from diffio_watch.job import Because, Media
from diffio_watch.media.not_media import OTHERS
from diffio_watch.reasons import because

SETS: Final[dict[str, frozenset[str]]] = {
    "audio": frozenset({
        "3ga", "8svx", "aa3", "aac", "ac3", "adts", "aif", "aifc", "aiff", "alac", "amr", "ape", "au", "awb", "bwf",
        "bw64", "caf", "dff", "dsf", "dss", "dts", "ds2", "eac3", "f4a", "flac", "gsm", "m4a", "m4b", "m4r", "mka",
        "mp1", "mp2", "mp3", "mpa", "mpc", "mpga", "msv", "oga", "ogg", "opus", "qcp", "qta", "ra", "rf64", "sd2",
        "snd", "spx", "tak", "tta", "voc", "vox", "w64", "wav", "wave", "weba", "wma", "wv",
    }),
    "video": frozenset({
        "3g2", "3gp", "3gpp", "asf", "avi", "divx", "dv", "f4v", "flv", "gxf", "insv", "m1v", "m2t", "m2ts",
        "m2v", "m4v", "mkv", "mod", "mov", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "ogm", "ogv", "qt",
        "rm", "rmvb", "tod", "trp", "ts", "vob", "webm", "wmv",
    }),
}

_LISTED: Final = frozenset().union(*SETS.values(), OTHERS)

# names of folders below which nothing is meant; they start with no dot, so the dot rule does not see them
_JUNK_FOLDERS: Final = ("@eaDir", "#recycle", "#snapshot", "$RECYCLE.BIN", "lost+found", "@Recycle")
_JUNK_FILES: Final = ("Thumbs.db", "desktop.ini", "~$*", "*.part", "*.partial", "*.tmp", "*.crdownload", "*.filepart",
                      "*.part-Frag*", "*.ytdl", "*.download", "*.opdownload", "*.aria2", "*.!ut", "*.!qB", "*.bc!",
                      "_status.html")
# what yt-dlp leaves beside its result, or has while it makes it: the picture alone, the sound alone, the joined file
_DOWNLOADED: Final = "aac|flv|m4a|mkv|mov|mp3|mp4|ogg|opus|ts|weba|webm|3gp"
_FORMAT: Final = r"(\d{1,5}|hls|http|dash|rtmp)([-_][\w.+-]*)?"
_YT_DLP: Final = (("*.f137.*", rf".+\.f{_FORMAT}\.({_DOWNLOADED})"),
                  ("*.temp.*", rf".+\.temp\.({_DOWNLOADED}|flac|wav)"))
# each name of each scan is held against these
_ANY_FOLDER: Final = re.compile("|".join(translate(one.lower()) for one in _JUNK_FOLDERS))
_ANY_FILE: Final = re.compile("|".join([*(translate(one.lower()) for one in _JUNK_FILES),
                                        *(rf"(?:{pattern})\Z" for _, pattern in _YT_DLP)]))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule applied to one path. `refusal` is the reason where it does not hold."""

    name: str
    holds: bool
    detail: str
    refusal: Because | None = None


class Rules:
    """What an inbox takes, by name alone.

    Args:
        inbox: its name.
        include: names of built-in sets, and globs; a file has to match one.
        exclude: globs; a file must match none.
        recursive: whether folders below the inbox count.

    Globs match the relative path or the last name, and heed case as rsync's do; the built-in sets do not.
    """

    def __init__(self, inbox: str, include: Iterable[str], exclude: Iterable[str], *, recursive: bool) -> None:
        self.inbox = inbox
        self.recursive = recursive
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._extensions = frozenset().union(*(SETS[word] for word in self._include if word in SETS))
        self._wanted = _any_of(word for word in self._include if word not in SETS)
        self._unwanted = _any_of(self._exclude)

    @classmethod
    def of(cls, inbox: Inbox) -> Rules:
        """Those of a configured inbox."""
        return cls(inbox.name, inbox.include, inbox.exclude, recursive=inbox.recursive)

    def takes(self, path: str) -> bool:
        """Whether a file of this path is meant; quick, for each file of each scan."""
        return self._allows(path) and self._is_included(path)

    def looks_into(self, path: str) -> bool:
        """Whether a file may be meant although its name says nothing: its extension is on no list, if it has one."""
        return bool(self._extensions) and not self._is_included(path) and _extension(path) not in _LISTED \
            and self._allows(path)

    def concerns(self, path: str) -> bool:
        """Whether a file is to be seen at all."""
        return self._allows(path) and (self._is_included(path)
                                       or (bool(self._extensions) and _extension(path) not in _LISTED))

    def wants(self, media: Media) -> bool:
        """Whether what a file holds is meant, where its name says nothing."""
        return media.has_sound and ("video" if media.has_video else "audio") in self._include

    def _allows(self, path: str) -> bool:
        return self.reaches(path) and junk(path) is None and not _matches(self._unwanted, path)

    def enters(self, folder: str) -> bool:
        """Whether files below this folder may be meant."""
        return self.recursive and junk_name(folder.rpartition("/")[2], folder=True) is None

    def takes_from(self, folder: str) -> bool:
        """Whether a folder at this path is looked through."""
        return self.recursive and junk(f"{folder}/x") is None

    def reaches(self, path: str) -> bool:
        """Whether `recursive` lets this path be reached."""
        return self.recursive or "/" not in path

    def explain(self, path: str) -> list[Rule]:
        """Each rule in turn, in words."""
        pattern = junk(path)
        excluded = next((glob for glob in self._exclude if _matches(_any_of([glob]), path)), None)
        rules = [
            Rule("not_junk", pattern is None, f"matches {pattern}" if pattern else "on no junk list",
                 _refused(pattern) if pattern else None),
            Rule("recursive", self.reaches(path), "in a folder below, and `recursive` is off"
                 if not self.reaches(path) else "where the inbox is looked through", because("not_recursive")),
            self._included(path),
            Rule("not_excluded", excluded is None, f"named by {excluded}" if excluded else "not named by `exclude`",
                 because("excluded", detail=excluded, inbox=self.inbox)),
        ]
        return [Rule(one.name, one.holds, one.detail, None if one.holds else one.refusal) for one in rules]

    def _included(self, path: str) -> Rule:
        words = f"`include` ({', '.join(self._include)})"
        if self._is_included(path):
            return Rule("included", holds=True, detail=f"named by {words}")
        if self.looks_into(path):
            return Rule("included", holds=True, detail=f"not named by {words}; but its extension is on no list: it is "
                                                       "looked into, and taken if there is sound in it")
        return Rule("included", holds=False, detail=f"not named by {words}",
                    refusal=because("not_included", inbox=self.inbox))

    def _is_included(self, path: str) -> bool:
        return _extension(path) in self._extensions or _matches(self._wanted, path)


def _refused(pattern: str) -> Because:
    """Why a junk pattern keeps a file out; renaming it does not help where it is a folder's."""
    told = because("junk", detail=pattern)
    if not pattern.endswith("/"):
        return told
    return replace(told, message=f"It lies in a folder on the built-in junk list ({pattern}).",
                   action="Move it into another folder if it is a recording.")


def junk(path: str) -> str | None:
    """The pattern of the built-in junk list that a path falls under; None if it is on none."""
    *folders, name = path.split("/")
    for folder in folders:
        pattern = junk_name(folder, folder=True)
        if pattern is not None:
            return f"{pattern}/"
    return junk_name(name, folder=False)


def junk_name(name: str, *, folder: bool) -> str | None:
    """The pattern that one name falls under: as a folder on the way, or as the file itself."""
    if name.startswith("."):  # .DS_Store, ._*, .Trash*, .snapshot, .stversions, .@__thumb, our own marker …
        return ".*"
    folded = name.lower()
    patterns, quick = (_JUNK_FOLDERS, _ANY_FOLDER) if folder else (_JUNK_FILES, _ANY_FILE)
    if quick.match(folded) is None:
        return None
    named = next((one for one in patterns if fnmatchcase(folded, one.lower())), None)
    return named or next(told for told, pattern in _YT_DLP if re.fullmatch(pattern, folded))


def _extension(path: str) -> str:
    """Of a name, in lower case; "" where it has none."""
    stem, _, extension = path.rpartition("/")[2].rpartition(".")
    return extension.lower() if stem else ""


def _any_of(globs: Iterable[str]) -> re.Pattern[str] | None:
    patterns = [translate(_composed(glob)) for glob in globs]
    return re.compile("|".join(patterns)) if patterns else None


def _matches(pattern: re.Pattern[str] | None, path: str) -> bool:
    if pattern is None:
        return False
    path = _composed(path)
    return pattern.match(path) is not None or pattern.match(path.rpartition("/")[2]) is not None


def _composed(text: str) -> str:
    """A Mac spells `ü` as two characters, a configuration file as one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
