"""MediaInfo's C library, which `pymediainfo` brings along, driven over an opened file.

`pymediainfo.MediaInfo.parse` loads the library anew for each file, lets all of its parsers try, and has every fact put
into words for people. A small file costs it 1.9 ms of processor time; what is asked here costs 0.3 ms.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from enum import IntEnum
from pathlib import Path
from typing import Final

from diffio_watch.disk.reading import Reading

_NAMES: Final = ("libmediainfo.so.0", "libmediainfo.0.dylib", "libmediainfo.dylib")
_CHUNK: Final = 64 << 10
_FINISHED: Final = 8  # the bit of an answer that says: nothing more need be read
_STAY: Final = ctypes.c_uint64(-1).value  # no other place is to be read next
_ALL: Final = ctypes.c_size_t(-1).value  # streams of a kind
_TEXT: Final = 1  # of a fact: its value
_BY_NAME: Final = 0  # facts are asked for


class Kind(IntEnum):
    """Of a stream (MediaInfo_stream_C in MediaInfoDLL_Static.h)."""

    GENERAL = 0
    VIDEO = 1
    AUDIO = 2


def streams(file: Reading, parser: str, *facts: str) -> list[tuple[Kind, list[str]]]:
    """What MediaInfo says of the streams of a file, in the order of their kinds; "" where it can't tell a fact.

    Args:
        file: what is read.
        parser: MediaInfo's name for the one that is to read it; "": whichever takes it.
        *facts: MediaInfo's names for what is asked.

    Raises:
        RuntimeError: the library can't be had.
        Interrupted, OSError: as `Reading.at` has them.
    """
    library = _library()
    handle = library.MediaInfo_New()
    try:
        if parser:
            library.MediaInfo_Option(handle, "File_ForceParser", parser)
        _feed(library, handle, file)
        return [(kind, [library.MediaInfo_Get(handle, kind, number, fact, _TEXT, _BY_NAME) or "" for fact in facts])
                for kind in Kind for number in range(library.MediaInfo_Count_Get(handle, kind, _ALL))]
    finally:
        library.MediaInfo_Delete(handle)


def _feed(library: ctypes.CDLL, handle: int, file: Reading) -> None:
    """Give MediaInfo what it wants to read, until it has enough."""
    position = 0
    library.MediaInfo_Open_Buffer_Init(handle, file.size, position)
    while chunk := file.at(position, _CHUNK):
        position += len(chunk)
        if library.MediaInfo_Open_Buffer_Continue(handle, chunk, len(chunk)) & _FINISHED:
            break
        elsewhere = library.MediaInfo_Open_Buffer_Continue_GoTo_Get(handle)
        if elsewhere != _STAY:
            position = elsewhere
            library.MediaInfo_Open_Buffer_Init(handle, file.size, position)
    library.MediaInfo_Open_Buffer_Finalize(handle)


@functools.cache
def _library() -> ctypes.CDLL:
    """The library: that of the `pymediainfo` wheel, else the system's.

    Raises:
        RuntimeError: there is none.
    """
    found = importlib.util.find_spec("pymediainfo")
    wheel = Path(found.origin).parent if found is not None and found.origin else Path()
    errors = []
    for name in (*(str(path) for one in _NAMES if (path := wheel / one).is_file()), *_NAMES):
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            errors.append(str(error))
        else:
            return _prepared(library)
    raise RuntimeError(f"its library can't be loaded ({'; '.join(dict.fromkeys(errors))})")


def _prepared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare what is called (MediaInfoDLL.h), and set what the library shares between all files and threads."""
    text, handle, size, offset = ctypes.c_wchar_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    for name, result, arguments in (
        ("New", handle, []),
        ("Option", text, [handle, text, text]),
        ("Open_Buffer_Init", size, [handle, offset, offset]),
        ("Open_Buffer_Continue", size, [handle, ctypes.c_char_p, size]),
        ("Open_Buffer_Continue_GoTo_Get", offset, [handle]),
        ("Open_Buffer_Finalize", size, [handle]),
        ("Count_Get", size, [handle, ctypes.c_int, size]),
        ("Get", text, [handle, ctypes.c_int, size, text, ctypes.c_int, ctypes.c_int]),
        ("Delete", None, [handle]),
    ):
        function = getattr(library, f"MediaInfo_{name}")
        function.restype, function.argtypes = result, arguments
    first = library.MediaInfo_New()
    library.MediaInfo_Option(first, "ReadByHuman", "0")  # else each fact is put into words, which costs most of all
    library.MediaInfo_Delete(first)
    return library
