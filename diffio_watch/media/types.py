"""Our own table of media types, containers and extensions, used both ways.

What a file is, MediaInfo says; its name only chooses among the names that such a container goes by. The host's tables
(`mimetypes`) know `.ts` as a translation and `.mts` as a model, each host in its own way, and are never asked.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Final

from diffio_watch.job import DownloadType, Media

_Names = tuple[tuple[str, str], ...]  # extension and media type; the first is the usual one


def _all(media_type: str, *extensions: str) -> _Names:
    return tuple((extension, media_type) for extension in extensions)


_MP4_SOUND: Final = (*_all("audio/mp4", ".m4a", ".m4b", ".m4r", ".f4a", ".mp4", ".alac", ".qta"),
                     *_all("audio/3gpp", ".3gp", ".3ga", ".3gpp"), *_all("audio/3gpp2", ".3g2"))
_MP4_PICTURE: Final = (*_all("video/mp4", ".mp4", ".f4v", ".insv"), *_all("video/quicktime", ".mov", ".qt"),
                       *_all("video/x-m4v", ".m4v"), *_all("video/3gpp", ".3gp", ".3gpp"),
                       *_all("video/3gpp2", ".3g2"))
_WAVE: Final = _all("audio/wav", ".wav", ".wave", ".bwf", ".rf64", ".bw64")
_AAC: Final = _all("audio/aac", ".aac", ".adts")
_OGG_SOUND: Final = (*_all("audio/ogg", ".ogg", ".oga", ".spx"), *_all("audio/opus", ".opus"))
_TS: Final = _all("video/mp2t", ".ts", ".mts", ".m2ts", ".m2t", ".trp", ".tod")
_PS: Final = _all("video/mpeg", ".mpg", ".mpeg", ".mpe", ".vob", ".mod", ".m2v", ".m1v", ".mpv")
_AIFF: Final = _all("audio/aiff", ".aiff", ".aif", ".aifc")

# MediaInfo's word for the container: the names of those with sound alone, and of those with a picture
_CONTAINERS: Final[dict[str, tuple[_Names, _Names]]] = {
    "AAC": (_AAC, _AAC), "ADTS": (_AAC, _AAC),
    "AC-3": (_all("audio/ac3", ".ac3"),) * 2,
    "AIFF": (_AIFF, _AIFF), "AIFC": (_AIFF, _AIFF),
    "AMR": ((*_all("audio/amr", ".amr"), *_all("audio/amr-wb", ".awb")),) * 2,
    "AU": (_all("audio/basic", ".au", ".snd"),) * 2,
    "AVI": ((*_all("video/x-msvideo", ".avi", ".divx"),),) * 2,
    "BDAV": (_all("video/mp2t", ".m2ts", ".mts"),) * 2,
    "CAF": (_all("audio/x-caf", ".caf"),) * 2,
    "DSF": (_all("audio/x-dsf", ".dsf"),) * 2,
    "DTS": (_all("audio/vnd.dts", ".dts"),) * 2,
    "DV": (_all("video/x-dv", ".dv"),) * 2,
    "E-AC-3": (_all("audio/eac3", ".eac3"),) * 2,
    "FLAC": (_all("audio/flac", ".flac"),) * 2,
    "Flash Video": (_all("video/x-flv", ".flv"),) * 2,
    "GXF": (_all("application/gxf", ".gxf"),) * 2,
    "Matroska": (_all("audio/x-matroska", ".mka", ".mkv"), _all("video/x-matroska", ".mkv")),
    "Monkey's Audio": (_all("audio/x-ape", ".ape"),) * 2,
    "MPEG Audio": ((*_all("audio/mpeg", ".mp3", ".mpga", ".mpa"), *_all("audio/mp2", ".mp2"),
                    *_all("audio/mpeg", ".mp1")),) * 2,
    "MPEG Video": (_PS, _PS), "MPEG-PS": (_PS, _PS), "MPEG-TS": (_TS, _TS),
    "MPEG-4": (_MP4_SOUND, _MP4_PICTURE), "QuickTime": (_MP4_SOUND, _all("video/quicktime", ".mov", ".qt")),
    "MXF": (_all("application/mxf", ".mxf"),) * 2,
    "Ogg": (_OGG_SOUND, _all("video/ogg", ".ogv", ".ogm", ".ogg")),
    "RealMedia": (_all("audio/vnd.rn-realaudio", ".ra", ".rm"), _all("application/vnd.rn-realmedia", ".rm", ".rmvb")),
    "RF64": (_WAVE, _WAVE), "Wave": (_WAVE, _WAVE),
    "TTA": (_all("audio/x-tta", ".tta"),) * 2,
    "Wave64": (_all("audio/x-w64", ".w64"),) * 2,
    "WavPack": (_all("audio/x-wavpack", ".wv"),) * 2,
    "WebM": (_all("audio/webm", ".weba", ".webm"), _all("video/webm", ".webm")),
    "Windows Media": (_all("audio/x-ms-wma", ".wma", ".asf"), (*_all("video/x-ms-wmv", ".wmv"),
                                                             *_all("video/x-ms-asf", ".asf"))),
}

# other words of services and storages for the same
_ALIASES: Final[dict[str, str]] = {
    "audio/aacp": ".aac", "audio/x-aac": ".aac", "audio/x-hx-aac-adts": ".aac",
    "audio/alac": ".m4a", "audio/m4a": ".m4a", "audio/x-m4a": ".m4a", "audio/mp4a-latm": ".m4a",
    "audio/matroska": ".mka",
    "audio/mp3": ".mp3", "audio/mpeg3": ".mp3", "audio/mpg": ".mp3", "audio/x-mp3": ".mp3", "audio/x-mpeg": ".mp3",
    "audio/vnd.wave": ".wav", "audio/wave": ".wav", "audio/x-wav": ".wav", "audio/x-pn-wav": ".wav",
    "audio/vorbis": ".ogg", "application/ogg": ".ogg",
    "audio/x-aiff": ".aiff", "audio/x-flac": ".flac",
    "application/mp4": ".mp4", "video/mpeg4": ".mp4",
    "video/avi": ".avi", "video/msvideo": ".avi", "video/vnd.avi": ".avi",
    "video/matroska": ".mkv",
}


def _each(pictures: Iterable[bool]) -> Iterable[tuple[str, str]]:
    for picture in pictures:
        for names in _CONTAINERS.values():
            yield from names[picture]


EXTENSIONS: Final[dict[str, str]] = {
    **_ALIASES, **{media_type: ext for ext, media_type in reversed(list(_each((False, True))))}}
"""Of each media type the extension that its files usually get."""

GENERIC: Final = "application/octet-stream"


def content_type(media: Media | None, name: str) -> str:
    """The media type of a file: by its content, and among the types of such contents by its name.

    Args:
        media: MediaInfo's word; None where it has none.
        name: of the file.
    """
    return _own(media, name)[1]


def label(media: Media | None, name: str) -> str | None:
    """The short word for a file's format that the service takes, such as "wav"; None where there is none."""
    found = _own(media, name)[0].removeprefix(".")
    return found if found.isascii() and found.isalnum() and len(found) <= 10 else None


def _own(media: Media | None, name: str) -> tuple[str, str]:
    """Extension and media type of a file."""
    named = posixpath.splitext(name.strip())[1].lower()
    if media is not None and media.format in _CONTAINERS:
        names = _CONTAINERS[media.format][media.has_video]
    else:  # its name is all there is to go by
        names = tuple(_each((True, False) if media is None or media.has_video else (False, True)))
        if named not in dict(names):
            return named, GENERIC
    return next((one for one in names if one[0] == named), names[0])


def extension(kind: DownloadType, mime_type: str | None, media: Media | None = None) -> str:
    """The extension of an output, with its dot.

    Args:
        kind: what was asked for; a transcript is JSON whatever its media type.
        mime_type: the service's word; parameters after `;` are passed over.
        media: MediaInfo's word for the fetched file, which wins over the service's.
    """
    if kind == "transcript":
        return ".json"
    told = EXTENSIONS.get((mime_type or "").partition(";")[0].strip().lower())
    if media is not None and media.format in _CONTAINERS:
        names = dict(_CONTAINERS[media.format][media.has_video])
        return told if told in names else next(iter(names))
    return told or (".mp4" if kind == "video" else ".mp3")
