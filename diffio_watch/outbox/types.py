"""Our own table of media types and the extensions they get: the service's file names are never used."""

from __future__ import annotations

from typing import Final

from diffio_watch.job import DownloadType

EXTENSIONS: Final[dict[str, str]] = {
    "audio/3gpp": ".3gp", "audio/3gpp2": ".3g2",
    "audio/aac": ".aac", "audio/aacp": ".aac", "audio/x-aac": ".aac", "audio/x-hx-aac-adts": ".aac",
    "audio/ac3": ".ac3", "audio/eac3": ".eac3",
    "audio/aiff": ".aiff", "audio/x-aiff": ".aiff",
    "audio/alac": ".m4a", "audio/m4a": ".m4a", "audio/mp4": ".m4a", "audio/x-m4a": ".m4a", "audio/mp4a-latm": ".m4a",
    "audio/amr": ".amr", "audio/amr-wb": ".awb",
    "audio/basic": ".au",
    "audio/flac": ".flac", "audio/x-flac": ".flac",
    "audio/matroska": ".mka", "audio/x-matroska": ".mka",
    "audio/mp2": ".mp2",
    "audio/mp3": ".mp3", "audio/mpeg": ".mp3", "audio/mpeg3": ".mp3", "audio/mpg": ".mp3", "audio/x-mp3": ".mp3",
    "audio/x-mpeg": ".mp3",
    "audio/ogg": ".ogg", "audio/vorbis": ".ogg", "application/ogg": ".ogg",
    "audio/opus": ".opus",
    "audio/vnd.wave": ".wav", "audio/wav": ".wav", "audio/wave": ".wav", "audio/x-wav": ".wav",
    "audio/x-pn-wav": ".wav",
    "audio/webm": ".weba",
    "audio/x-caf": ".caf",
    "audio/x-ms-wma": ".wma",
    "audio/x-wavpack": ".wv",
    "application/mxf": ".mxf",
    "application/mp4": ".mp4",
    "video/3gpp": ".3gp", "video/3gpp2": ".3g2",
    "video/avi": ".avi", "video/msvideo": ".avi", "video/vnd.avi": ".avi", "video/x-msvideo": ".avi",
    "video/matroska": ".mkv", "video/x-matroska": ".mkv",
    "video/mp2t": ".ts",
    "video/mp4": ".mp4", "video/mpeg4": ".mp4",
    "video/mpeg": ".mpg",
    "video/ogg": ".ogv",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-flv": ".flv",
    "video/x-m4v": ".m4v",
    "video/x-ms-wmv": ".wmv",
}

# MediaInfo's word for the container, then the extension of audio alone and of video
_FORMATS: Final[dict[str, tuple[str, str]]] = {
    "AAC": (".aac", ".aac"), "ADTS": (".aac", ".aac"), "AC-3": (".ac3", ".ac3"), "E-AC-3": (".eac3", ".eac3"),
    "AIFF": (".aiff", ".aiff"), "AIFC": (".aiff", ".aiff"), "AMR": (".amr", ".amr"), "AVI": (".avi", ".avi"),
    "CAF": (".caf", ".caf"), "FLAC": (".flac", ".flac"), "Flash Video": (".flv", ".flv"),
    "Matroska": (".mka", ".mkv"), "MPEG Audio": (".mp3", ".mp3"), "MPEG-4": (".m4a", ".mp4"),
    "MPEG-PS": (".mpg", ".mpg"), "MPEG-TS": (".ts", ".ts"), "MXF": (".mxf", ".mxf"), "Ogg": (".ogg", ".ogv"),
    "QuickTime": (".m4a", ".mov"), "RF64": (".wav", ".wav"), "Wave": (".wav", ".wav"), "Wave64": (".w64", ".w64"),
    "WavPack": (".wv", ".wv"), "WebM": (".weba", ".webm"), "Windows Media": (".wma", ".wmv"),
}


def extension(kind: DownloadType, mime_type: str | None, media_format: str | None = None) -> str:
    """The extension of an output, with its dot.

    Args:
        kind: what was asked for; a transcript is JSON whatever its media type.
        mime_type: the service's word; parameters after `;` are passed over.
        media_format: MediaInfo's word for the fetched file, asked where the media type is generic or unknown.
    """
    if kind == "transcript":
        return ".json"
    known = EXTENSIONS.get((mime_type or "").partition(";")[0].strip().lower())
    if known is not None:
        return known
    audio, video = _FORMATS.get(media_format or "", (".mp3", ".mp4"))
    return video if kind == "video" else audio
