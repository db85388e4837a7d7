"""Extensions of what surely is no recording: such files are left alone without a look into them."""

from __future__ import annotations

from typing import Final

OTHERS: Final[frozenset[str]] = frozenset({
    # words and tables
    "csv", "css", "doc", "docm", "docx", "eml", "epub", "htm", "html", "ics", "json", "jsonl", "key", "log", "md",
    "mhtml", "msg", "numbers", "odp", "ods", "odt", "pages", "pdf", "ppt", "pptx", "rtf", "srt", "sub", "ass", "lrc",
    "tex", "txt", "tsv", "url", "vtt", "webloc", "xls", "xlsx", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf",
    # pictures
    "ai", "arw", "avif", "bmp", "cr2", "cr3", "dng", "eps", "gif", "heic", "heif", "ico", "indd", "jpeg", "jpg",
    "nef", "orf", "png", "psd", "raf", "raw", "rw2", "svg", "tga", "thm", "tif", "tiff", "webp", "xcf", "xmp",
    # archives, images of disks, programs and their parts
    "7z", "apk", "app", "bat", "bin", "bz2", "cab", "cmd", "com", "cue", "db", "deb", "dll", "dmg", "exe", "gz",
    "img", "iso", "jar", "js", "lnk", "lz4", "m3u", "m3u8", "md5", "msi", "nfo", "pkg", "pls", "ps1", "py", "rar",
    "rpm", "sfv", "sh", "sha1", "sha256", "so", "sqlite", "sqlite3", "tar", "tgz", "torrent", "ttf", "otf", "woff",
    "woff2", "xz", "zip", "zst",
    # projects of editing programs, their peaks and their memory
    "als", "aep", "asd", "aup", "aup3", "band", "bak", "bup", "cpr", "drp", "edl", "fcpxml", "flp", "ifo", "logicx",
    "mogrt", "npr", "omf", "aaf", "pek", "peak", "pk", "pkf", "prproj", "ptf", "ptx", "reapeaks", "rpp", "rpp-bak",
    "ses", "sesx", "sfk", "sfl", "veg", "wfm", "wlmp", "xmeml", "lrv", "sav", "old", "orig", "swp", "lock", "lck",
})
