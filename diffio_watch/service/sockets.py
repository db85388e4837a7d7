"""The sockets that the page is served on: made here, or handed over by systemd (sd_listen_fds(3))."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from diffio_watch.config import Config

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_MOST: Final = 64
_BACKLOG: Final = 256
_MODE: Final = 0o660  # of a socket in the file system: its user's and its group's
_ONE_OF_ITS: Final = "Write one that it has, such as `127.0.0.1:8480`."
_WAYS_OUT: Final = {
    errno.EADDRINUSE: "Stop the program that has it, or write another address.",
    errno.EADDRNOTAVAIL: f"This machine does not have that address now. {_ONE_OF_ITS}",
}
_LOW: Final = 1024
_LOW_PORT: Final = "Write a port from 1024 on: for those below it has no right."


def addresses(config: Config) -> dict[str, str]:
    """Where a configuration has something listen, by the key that says so."""
    named = {"web.listen": config.web.listen, "webhook.listen": config.webhook.listen}
    return {name: where for name, where in named.items() if where is not None}


class CannotListen(Exception):
    """An address can't be listened at; a sentence with what to do."""


def listen(address: str, name: str) -> list[socket.socket]:
    """Sockets that listen at an address of the configuration: those that systemd hands over for it, else new ones.

    Args:
        address: `HOST:PORT` or `unix:/PATH`.
        name: the key that has it, such as `web.listen`; a socket unit may name its socket so (FileDescriptorName).

    Raises:
        CannotListen: naming what is in the way.
    """
    given = _given(address, name)
    if given:
        return given
    if address.startswith("unix:"):
        return [_unix(address.removeprefix("unix:"), name)]
    return _inet(address, name)


class Held:
    """Addresses that are listened at. They stay while one server is replaced by another.

    Attributes:
        missing: by the key that has one, what is in the way of listening at it.
    """

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._sockets: dict[str, list[socket.socket]] = {}

    @classmethod
    def of(cls, names: Mapping[str, str], before: Held | None = None) -> Held:
        """Listen at addresses, by the key that has them; those that are listened at already are shared.

        Raises:
            CannotListen: naming what is in the way; nothing has changed then.
        """
        held = cls.some(names, before)
        for sentence in held.missing.values():
            held.close(but=before)
            raise CannotListen(sentence)
        return held

    @classmethod
    def some(cls, names: Mapping[str, str], before: Held | None = None) -> Held:
        """The same, but at those that can be had: it is `missing` which can't. May take as long as the name server."""
        held = cls()
        there = before._sockets if before is not None else {}  # noqa: SLF001 - of this class
        for name, address in names.items():
            try:
                held._sockets[address] = there[address] if address in there else _new(address, name, there)
                held._names[name] = address
            except CannotListen as error:
                held.missing[name] = str(error)
        return held

    @property
    def any(self) -> bool:
        """Whether it listens anywhere."""
        return bool(self._sockets)

    def sockets(self, name: str) -> list[socket.socket]:
        """Those of a key."""
        return self._sockets.get(self._names.get(name, ""), [])

    def close(self, but: Held | None = None) -> None:
        """Listen no more, but where another still does."""
        for address, sockets in self._sockets.items():
            if but is not None and address in but._sockets:  # noqa: SLF001 - of this class
                continue
            _unlink(sockets)
            for one in sockets:
                one.close()


def _new(address: str, name: str, there: Iterable[str]) -> list[socket.socket]:
    try:
        return listen(address, name)
    except OSError as error:
        raise CannotListen(f"`{name}`: {address} can't be listened at: {_words(error)}.") from error
    except CannotListen as error:
        port = address.rpartition(":")[2]
        ours = next((other for other in there if not other.startswith("unix:") and other.endswith(f":{port}")), None)
        if ours is None or address.startswith("unix:"):
            raise
        raise CannotListen(f"`{name}`: this daemon itself listens at {ours}, on the same port: to change the address "
                           "alone takes a restart.") from error


def _unlink(sockets: Iterable[socket.socket]) -> None:
    """Remove the files of Unix sockets that were made here, before they are closed."""
    for one in sockets:
        path = one.getsockname() if one.family == socket.AF_UNIX and one.fileno() >= 0 else None
        if isinstance(path, str) and path and not _is_given(one):
            with contextlib.suppress(OSError):
                os.unlink(path)


def url(one: socket.socket) -> str:
    """Where a browser finds it."""
    name = one.getsockname()
    if one.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    host = f"[{name[0]}]" if one.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}/"


def _unix(path: str, name: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            _must_be_left_over(path, name)
        made.bind(path)
        os.chmod(path, _MODE)  # nobody gets in before `listen`, so no umask has to be changed for it
        made.listen(_BACKLOG)
    except CannotListen:
        made.close()
        raise
    except OSError as error:
        made.close()
        raise CannotListen(f"`{name}`: no socket can be made at {path}: {error.strerror or error}. Its folder has to "
                           "be there and be this user's to write in (for the service: `RuntimeDirectory=` of its "
                           "unit).") from error
    return made


def _must_be_left_over(path: str, name: str) -> None:
    """Remove a socket that nobody listens at any more; whatever else stands there is left."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise CannotListen(f"`{name}`: {path} is there and is no socket. Name another path, or remove it.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            os.unlink(path)
            return
        except OSError as error:
            raise CannotListen(f"`{name}`: another program has the socket {path}: {error.strerror or error}. Name "
                               "another path, or stop it.") from error
    raise CannotListen(f"`{name}`: another program listens at {path} already. Name another path, or stop it.")


def _inet(address: str, name: str) -> list[socket.socket]:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP,
                                   flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(f"`{name}`: this machine has no address {host} ({_words(error)}). {_ONE_OF_ITS}") from error
    made: list[socket.socket] = []
    try:
        for family, kind, proto, _, where in dict.fromkeys(found):
            # asyncio turns Nagle's delays off only where the protocol is named
            one = socket.socket(family, kind, proto)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            one.bind(where)
            one.listen(_BACKLOG)
    except OSError as error:
        for one in made:
            one.close()
        way_out = _LOW_PORT if error.errno == errno.EACCES and 0 < int(port) < _LOW else _WAYS_OUT.get(
            error.errno or 0, "Write another address.")
        raise CannotListen(f"`{name}`: {address} can't be listened at: {_words(error)}. {way_out}") from error
    return made


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _descriptors() -> dict[int, str]:
    """What systemd handed over to this process, with the names it has for them."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = os.environ.get("LISTEN_FDS", "")
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    number = min(int(count), _MOST) if count.isdigit() else 0
    return {_FIRST + at: names[at] if at < len(names) else "" for at in range(number)}


def _given(address: str, name: str) -> list[socket.socket]:
    found = []
    for descriptor, called in _descriptors().items():
        try:
            one = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue  # no socket
        if one.type == socket.SOCK_STREAM and (called == name or _is_at(one, address)):
            one.set_inheritable(False)
            found.append(one)
        else:
            one.close()
    return found


def _is_at(one: socket.socket, address: str) -> bool:
    where = one.getsockname()
    if one.family == socket.AF_UNIX:
        return address == f"unix:{os.fsdecode(where)}"
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), port) == (where[0], str(where[1]))


def _is_given(one: socket.socket) -> bool:
    """Whether it is one of systemd's, whose file is the socket unit's."""
    mine = os.fstat(one.fileno())
    for descriptor in _descriptors():
        with contextlib.suppress(OSError):
            theirs = os.fstat(descriptor)
            if (theirs.st_dev, theirs.st_ino) == (mine.st_dev, mine.st_ino):
                return True
    return False
