"""The program in a process of its own, forked from one that has imported it: a start costs 30 ms, and not 400.

`Program` and `run` are `subprocess`'s, and take what it takes. Other programs, what has another locale than the tests,
and all where the kernel gives no orphans to their grandparent, begin as any process does. So do those of tests that are
about the beginning itself: what is imported, what stands on the command line.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

_BEGINNINGS: Final = ((sys.executable, "-m", "diffio_watch"), (str(Path(sys.executable).with_name("diffio-watch")),))
_KNOWN: Final = "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"  # these a fork can do as they say
_REQUEST: Final = 1 << 18  # bytes at most


def _at_the_start(env: Mapping[str, str]) -> dict[str, str]:
    """What Python looks at before anything of the program runs."""
    return {name: value for name, value in env.items()
            if name.startswith(("LC_", "LANG", "LOCPATH", "PYTHON")) and name not in _KNOWN}


_SURROUNDINGS: Final = _at_the_start(os.environ)  # of the process that forks


class Program(subprocess.Popen[Any]):
    """A process; this program's is a fork of one that waits for that."""

    def _execute_child(self, args: Sequence[Any], executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any,
                       cwd: Any, env: Mapping[str, str] | None, *rest: Any) -> None:
        words = _words(args)
        if words is None or executable or preexec_fn or pass_fds or not _possible(os.environ if env is None else env):
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)  # type: ignore[misc]  # not for others, but stable since 3.11
            return
        streams = rest[3:9]  # p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
        given = [own if stream == -1 else stream for own, stream in enumerate((streams[0], streams[3], streams[5]))]
        try:
            self.pid = _began().fork({
                "words": words, "cwd": os.fsdecode(cwd or Path.cwd()),
                "env": dict(os.environ if env is None else env), "leads": bool(rest[-2])}, given)
        finally:
            self._close_pipe_fds(*streams)  # type: ignore[attr-defined]  # subprocess has it, and typeshed does not know
        self._child_created = True


def run(args: Sequence[Any], *, input: Any = None, capture_output: bool = False,  # noqa: A002 - as `subprocess` has it
        timeout: float | None = None, check: bool = False, **more: Any) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` of a `Program`."""
    if capture_output:
        more |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if input is not None:
        more["stdin"] = subprocess.PIPE
    with Program(args, **more) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


class _Nursery:
    """The process that forks. Its children's parent ends at once, and they become this process's."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                env={**_SURROUNDINGS, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        self._channel = ours
        self._one = threading.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self, request: Mapping[str, Any], streams: Sequence[int]) -> int:
        """A process of ours; its id."""
        with self._one:
            socket.send_fds(self._channel, [json.dumps({**request, "umask": _umask()}).encode()], streams)
            answer = self._channel.recv(64)
        assert answer, "the process that forks programs is gone"
        return int(answer)

    def close(self) -> None:
        self._channel.close()
        self._process.wait(10)


_nursery: _Nursery | None = None
_beginning = threading.Lock()


def _words(args: Sequence[Any]) -> list[str] | None:
    """The arguments of this program; none if it is another one."""
    return next(([os.fsdecode(word) for word in args[len(begin):]] for begin in _BEGINNINGS
                 if tuple(args[:len(begin)]) == begin), None)


def _possible(env: Mapping[str, str]) -> bool:
    """Whether a fork is as good as a process that begins by itself."""
    return sys.platform == "linux" and os.geteuid() == os.getuid() and _at_the_start(env) == _SURROUNDINGS


def _began() -> _Nursery:
    global _nursery  # noqa: PLW0603 - one a process, made at its first use
    with _beginning:  # some tests begin several at a time
        _nursery = _nursery or _Nursery()
        return _nursery


def nursery() -> set[int]:
    """The process that forks, where there is one: it is no test's."""
    return set() if _nursery is None else {_nursery.pid}


def close() -> None:
    """End it."""
    global _nursery  # noqa: PLW0603 - one a test worker
    if _nursery is not None:
        _nursery.close()
        _nursery = None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# the process that forks


def _serve(channel: socket.socket) -> dict[str, Any]:
    """Answer each request with a process; returns in that process, with what was asked for."""
    while True:
        data, streams, _flags, _address = socket.recv_fds(channel, _REQUEST, 3)
        if not data:
            raise SystemExit
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child:
                os.write(tell, str(child).encode())
                os._exit(0)
            for own, stream in enumerate(streams):
                os.dup2(stream, own)
            for used in (told, tell, *streams):
                os.close(used)
            channel.close()
            request: dict[str, Any] = json.loads(data)
            return request
        os.waitpid(between, 0)
        channel.send(os.read(told, 64))
        for used in (told, tell, *streams):
            os.close(used)


def _become(request: Mapping[str, Any]) -> None:
    """Make this process what a fresh one would be."""
    if request["leads"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    tempfile.tempdir = None
    sys.path[0] = request["cwd"]
    sys.argv = ["diffio_watch", *request["words"]]
    sys.orig_argv[:] = [*_BEGINNINGS[0], *request["words"]]
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        old: io.TextIOWrapper = getattr(sys, f"__{name}__")
        raw = io.FileIO(number, mode, closefd=False)
        at_once = number > 0 and bool(os.environ.get("PYTHONUNBUFFERED"))
        buffer = (io.BufferedReader(raw) if number == 0 else
                  cast("io.BufferedWriter", raw) if at_once else io.BufferedWriter(raw))
        new = io.TextIOWrapper(
            buffer, encoding=old.encoding, errors=old.errors, newline=None if number == 0 else "\n",
            write_through=at_once, line_buffering=number == 2 or raw.isatty())
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def main() -> None:
    """Import everything, and wait."""
    import diffio_watch  # noqa: PLC0415 - only in the process that forks

    for module in pkgutil.walk_packages(diffio_watch.__path__, "diffio_watch."):
        if not module.name.endswith(("__main__", ".child")):
            importlib.import_module(module.name)
    for late in ("encodings.ascii", "encodings.idna", "rich._emoji_codes", "uvicorn.lifespan.off"):
        importlib.import_module(late)
    assert threading.enumerate() == [threading.current_thread()], "a fork needs a process with one thread"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever runs the tests
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        request = _serve(channel)
    _become(request)
    runpy.run_module("diffio_watch", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
