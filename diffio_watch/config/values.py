"""Single values with rules of their own. Each function returns what the program works with, or raises `Wrong`."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import string
from typing import Final
from urllib.parse import urlsplit

from diffio_watch.config.errors import Wrong, plain, shown

FIELDS: Final = ("stem", "ext", "model", "inbox", "date")
SETS: Final = ("audio", "video")  # the built-in sets of extensions that `include` may name

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_NOTICE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]*://.", re.ASCII)
_LONGEST_URL: Final = 2000  # bytes
_LONGEST_SOCKET: Final = 107  # bytes of a path (unix(7))
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


def base_url(text: str) -> str:
    """The service's address, ending in `/v1` without a slash; what differs in writing only becomes the same.

    Nothing of a refused address is repeated: a password may stand in it.
    """
    example = "Write for instance `https://api.diffio.ai/v1`."
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Wrong("This is not an address of a web service.", example) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable() or " " in text:
        raise Wrong("This is not an address of a web service.", example)
    if "@" in parts.netloc:
        raise Wrong("A user or a password stands in the address.", "Remove it; the API key goes into `key_file`.")
    if "?" in text or "#" in text:
        raise Wrong("An address with `?` or `#` is no base for others.", example)
    if parts.scheme == "http" and not loopback(parts.hostname):
        raise Wrong("Plain http would show the API key to everyone on the way; only loopback may have it.",
                    f"Write `https://{plain(parts.netloc)}{plain(parts.path)}`.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        host = f"{host}:{port}"
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{host}{path if path.endswith('/v1') else path + '/v1'}"


def notice_url(text: str) -> str:
    """An address as Apprise has it. Nothing of it is repeated: passwords stand in it."""
    if not _NOTICE.match(text) or not text.isprintable() or len(text.encode()) > _LONGEST_URL:
        raise Wrong("This is not an address that Apprise knows.",
                    "Write for instance `mailto://user:password@mail.example`; appriseit.com/services has all kinds.")
    return text


def heartbeat(text: str) -> str:
    """The address that is asked as long as all is well. Nothing of it is repeated: who knows it can pretend."""
    example = "Write for instance `https://hc-ping.example/your-check`."
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise Wrong("This is not an address of a web service.", example) from None
    if (parts.scheme not in {"http", "https"} or not parts.hostname or not text.isascii() or not text.isprintable()
            or " " in text or len(text) > _LONGEST_URL):
        raise Wrong("This is not an address of a web service.", example)
    if "@" in parts.netloc:
        raise Wrong("A user or a password stands in the address.", "Take one that needs none.")
    if parts.scheme == "http" and not loopback(parts.hostname):
        raise Wrong("Plain http would show the address to everyone on the way; only loopback may have it.",
                    "Write `https://` and the rest.")
    return text


def loopback(host: str) -> bool:
    """Whether a host, by its name or number alone, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def name(text: str) -> str:
    """An inbox's name. It stands in commands, logs, sidecars and file names."""
    if not _NAME.fullmatch(text):
        proper = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:64]
        raise Wrong(f"{shown(text)} is not a name.",
                    f"Write 1 to 64 letters (a to z), digits, `-` and `_`, for instance `{proper or 'podcasts'}`.")
    return text


def model(text: str) -> str:
    """A model's id; any, for a new model must not need a new release, but it becomes a part of an address."""
    if not _MODEL.fullmatch(text):
        raise Wrong(f"{shown(text)} is not a model's id.", "Write for instance `diffio-4.6-flash`.")
    return text


def output_name(text: str) -> str:
    """The pattern of an output's name: `{stem}` and `{ext}`, and what else is wanted."""
    example = 'Write for instance `"{stem}.restored{ext}"`.'
    known = ", ".join(f"{{{field}}}" for field in FIELDS)
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise Wrong(f"A brace is missing in {shown(text)}.", f"{example} Known are {known}.") from None
    for _, field, form, conversion in parts:
        if field is not None and (field not in FIELDS or form or conversion):
            whole = field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise Wrong(f"{{{plain(whole)}}} is not a field.", f"Known are {known}.")
    fields = [field for _, field, _, _ in parts]
    literal = "".join(part for part, _, _, _ in parts)
    for needed, why in (("stem", "all files would get one name"), ("ext", "the files would have no type")):
        if needed not in fields:
            raise Wrong(f"Without {{{needed}}} {why}.", example)
    if "/" in literal or not literal.isprintable():
        raise Wrong("A name holds no slash and no control character.", f"{example} Folders are mirrored by themselves.")
    if text.startswith((".", "~$")):
        raise Wrong("A name that begins so is hidden.", example)
    if len(literal.encode()) > 100:
        raise Wrong("What stands around the fields is longer than 100 bytes.", example)
    return text


def include(text: str) -> str:
    """One entry of `include`: a built-in set, or a glob."""
    if text in SETS:
        return text
    bare = text.lstrip("*.")
    if not set(text) & set("*?[/") and bare.isalnum() and "." not in bare:
        raise Wrong(f"{shown(text)} is neither a set (audio, video) nor a pattern.", f'Write `"*.{bare.lower()}"`.')
    return glob(text)


def glob(text: str) -> str:
    """A glob as the shell knows it."""
    if not text or "\0" in text:
        raise Wrong("An empty pattern matches nothing.", 'Write for instance `"*.wav"`.')
    if text.startswith(("/", "~", "!")) or ".." in text.split("/"):
        raise Wrong(f"{shown(text)} is not a pattern for names inside the inbox.",
                    'Write it from the inbox on, for instance `"drafts/*.wav"`.')
    if "[" in text and "]" not in text[text.index("[") + 2 :]:
        raise Wrong(f"A `[` is never closed in {shown(text)}.",
                    'Write for instance `"take[0-9].wav"`, or `[[]` for the sign itself.')
    return text


def listen(text: str) -> str:
    """Where the web page listens: `HOST:PORT` or `unix:/PATH`."""
    example = "Write for instance `127.0.0.1:8480` or `unix:/run/diffio-watch/web.sock`."
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or "\0" in text:
            raise Wrong(f"{shown(text)} does not name a socket by an absolute path.", example)
        if len(text.removeprefix("unix:").encode("utf-8", "surrogatepass")) > _LONGEST_SOCKET:
            raise Wrong(f"The path of a socket has at most {_LONGEST_SOCKET} bytes.", example)
        return text
    address, colon, port = text.rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    if not colon or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535 or (":" in address) != bracketed:
        raise Wrong(f"{shown(text)} is not an address to listen at.", example)
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        if bracketed or not _HOST.fullmatch(address):
            raise Wrong(f"{shown(text)} is not an address to listen at.", example) from None
    return text


def same_place(one: str, other: str) -> bool:
    """Whether who listens at one of two addresses has the other along with it."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    if one == other or "unix:" in {one[:5], other[:5]} or int(port) != int(other_port) or int(port) == 0:
        return one == other
    mine, others = _meant(host), _meant(other_host)
    return bool(mine & others or "::" in mine | others or any(
        "0.0.0.0" in all_of_them and any(":" not in each for each in some)  # noqa: S104 - compared
        for all_of_them, some in ((mine, others), (others, mine))))


def _meant(host: str) -> frozenset[str]:
    """The addresses that a host's name or number means, without asking anybody."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return frozenset({"127.0.0.1", "::1"})
    with contextlib.suppress(ValueError):
        number = ipaddress.ip_address(bare)
        inside = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
        return frozenset({(inside or number).compressed})
    with contextlib.suppress(OSError):
        return frozenset({socket.inet_ntoa(socket.inet_aton(bare))})  # 127.1, as the system takes it
    return frozenset({bare})


def host(text: str) -> str:
    """A name the web page answers to, without a port."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        if not _HOST.fullmatch(text):
            raise Wrong(f"{shown(text)} is not a host name.", "Write for instance `nas.studio.example`.") from None
    return text.lower()
