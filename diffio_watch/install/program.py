"""The program's own folders: one environment a version in /opt/diffio-watch, and the link `current` to that in use.

An environment counts once its record stands in it, which is written last: what a broken run left is made anew.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import urllib.parse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from diffio_watch.install import system
from diffio_watch.install.dropin import in_home

BASE: Final = Path("/opt/diffio-watch")
NAME: Final = "diffio-watch"
_RECORD: Final = "diffio-watch.json"
_SYSTEM_PYTHON: Final = "/usr/bin/python3"
_EXTRAS: Final = {"waveforms": "av", "notify": "apprise"}  # and the module by which each is known to be there
_OLDEST: Final = (3, 11)


class Refused(Exception):
    """It can't be done this way; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a whole environment.

    Attributes:
        version: of the program.
        wheel: SHA-256 of the wheel it was made from.
        extras: the parts beyond the least that were asked for.
    """

    version: str
    wheel: str
    extras: tuple[str, ...]


def record(folder: Path) -> Record | None:
    """That of an environment; None where it is none of ours, or was not finished."""
    try:
        found = json.loads((folder / _RECORD).read_text("utf-8"))
        return Record(str(found["version"]), str(found["wheel"]), tuple(str(extra) for extra in found["extras"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def here(base: Path = BASE) -> Path | None:
    """The environment this very program runs in, where it is one of those below `base`."""
    own = Path(sys.prefix).resolve()
    return own if own.parent == base.resolve() and record(own) is not None else None


def current(base: Path = BASE) -> Path | None:
    """The environment that is in use; None where there is none."""
    try:
        found = (base / "current").resolve(strict=True)
    except OSError:
        return None
    return found if record(found) is not None else None


def others(base: Path = BASE) -> list[Path]:
    """Whole environments that are not in use, the newest first."""
    try:
        found = [one for one in base.iterdir() if not one.is_symlink() and record(one) is not None]
    except OSError:
        return []
    return sorted((one for one in found if one.resolve() != current(base)),
                  key=lambda one: (one / _RECORD).stat().st_mtime, reverse=True)


def source() -> str:
    """Where this program came from, as pip is told: a folder or file, else this version in the index.

    Raises:
        Refused: that folder or file is gone.
    """
    distribution = importlib.metadata.distribution(NAME)
    told = distribution.read_text("direct_url.json")
    address = urllib.parse.urlsplit(json.loads(told)["url"]) if told else None
    if address is None:
        return f"{NAME}=={distribution.version}"
    if address.scheme != "file":
        return f"{NAME} @ {address.geturl()}"
    path = urllib.parse.unquote(address.path)
    if not os.path.exists(path):
        raise Refused(f"This program was installed from {path}, which is gone: name a folder, a wheel or a version "
                      "with --from.")
    return path


def extras() -> tuple[str, ...]:
    """The parts beyond the least that this program has."""
    return tuple(name for name, module in sorted(_EXTRAS.items()) if importlib.util.find_spec(module) is not None)


def interpreter(wanted: str | None = None) -> str:
    """The Python that environments are made of.

    Args:
        wanted: what a person names; None: that of this program, or the system's where that is in a home.

    Raises:
        Refused: the service would not see it, or it is too old.
    """
    own = getattr(sys, "_base_executable", None) or sys.executable
    for candidate in [wanted] if wanted else [own, _SYSTEM_PYTHON]:
        real = os.path.realpath(candidate)
        code, told = system.ended(candidate, "-c", "import sys, ensurepip; print(sys.base_prefix); "
                                  f"sys.exit(sys.version_info < {_OLDEST!r})") if os.path.exists(real) else (1, "")
        if not code and not in_home(real) and not in_home(told):
            return candidate
    named = wanted or own
    if in_home(named) or in_home(sys.base_prefix):
        raise Refused(f"{os.path.realpath(named)} is in somebody's home, which the service does not see, and "
                      f"{_SYSTEM_PYTHON} is not there, older than 3.11 or without venv: install one outside of homes "
                      "(on Debian and Ubuntu: `sudo apt install python3-venv`), or name one with --python.")
    raise Refused(f"{named} can't make environments, or is older than 3.11: on Debian and Ubuntu, "
                  "`sudo apt install python3-venv`; or name another Python with --python.")


def build(spec: str, python: str, parts: tuple[str, ...], base: Path = BASE) -> Path:
    """Make an environment of a source; the same content in a whole one is that one.

    Args:
        spec: a folder, a wheel, or a requirement, as pip takes them.
        python: the interpreter.
        parts: extras.
        base: where environments are.

    Raises:
        system.Broke: pip did not succeed.
        OSError: what the system says.
    """
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="diffio-watch-") as scratch:
        wheel = _wheel(spec, python, Path(scratch))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        wanted = Record(wheel.name.split("-")[1], digest, parts)
        for one in sorted(base.iterdir()):
            if not one.is_symlink() and record(one) == wanted:
                return one
        folder = _free(base, wanted.version)
        if folder.exists():
            shutil.rmtree(folder)  # what a broken run left
        system.run(python, "-m", "venv", folder)
        named = f"{wheel}[{','.join(parts)}]" if parts else str(wheel)
        system.run(folder / "bin/python", *_PIP, "install", named)
        told = system.run(folder / "bin" / NAME, "--version")
        if told.split()[-1:] != [wanted.version]:
            raise system.Broke(f"{folder}/bin/{NAME} --version says {told}, not {wanted.version}.")
        os.sync()  # all of it, before it counts
        system.write(folder / _RECORD, json.dumps(asdict(wanted)).encode(), 0o644)
    return folder


_PIP: Final = ("-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir")


def _wheel(spec: str, python: str, scratch: Path) -> Path:
    """The program alone as a wheel; of a folder the same each time, for its dates are left out."""
    pip = sys.executable
    if system.ended(pip, "-m", "pip", "--version")[0]:
        system.run(python, "-m", "venv", scratch / "pip")  # this program came without pip
        pip = str(scratch / "pip/bin/python")
    system.run(pip, *_PIP, "wheel", "--no-deps", "--wheel-dir", scratch, spec)
    return next(scratch.glob("*.whl"))


def _free(base: Path, version: str) -> Path:
    """The first folder of this version that no whole environment has."""
    number = 1
    while record(base / (version if number == 1 else f"{version}-{number}")) is not None:
        number += 1
    return base / (version if number == 1 else f"{version}-{number}")


def prune(base: Path = BASE) -> list[Path]:
    """Remove all but the environment in use and the newest other; which those were."""
    gone = others(base)[1:]
    for folder in gone:
        (folder / _RECORD).unlink()  # first: half of one is none
        shutil.rmtree(folder)
    return gone
