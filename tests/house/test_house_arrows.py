"""The house has one way through it: who may import whom, and who alone knows a foreign library."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import diffio_watch

_PACKAGE = Path(diffio_watch.__file__).parent

# a room → the rooms below it that it may use
_WORDS = {"job", "reasons", "editors", "clock", "logs", "lines"}
_BELOW = {
    "job": set[str](),
    "reasons": {"job"},
    "editors": {"job"},
    "clock": set[str](),
    "aside": set[str](),
    "disk": {"job", "reasons"},
    "lines": {"disk"},
    "logs": {"lines"},
    "config": {"aside", "disk", "job"},
    "api": set[str](),
    "sandbox": set[str](),
    "media": {"job", "disk"},
    "journal": _WORDS | {"config", "disk"},
    "outbox": _WORDS | {"disk", "media"},
    "intake": _WORDS | {"config", "disk", "journal", "media"},
    "report": _WORDS | {"config", "disk", "intake", "journal", "media", "outbox"},
    "service": _WORDS | {"config", "disk", "journal", "report"},  # it asks the daemon by the journal, as commands do
    "install": {"config", "disk"},
    "pipeline": _WORDS | {"api", "config", "disk", "journal", "media", "outbox"},
    "daemon": _WORDS | {"api", "aside", "config", "disk", "intake", "journal", "media", "outbox", "pipeline", "report",
                        "service"},
    "recovery": _WORDS | {"api", "config", "daemon", "disk", "intake", "journal", "media", "outbox", "pipeline"},
}
_ONLY = {"httpx": {"api"}, "tenacity": {"api"}, "sqlite3": {"journal"}, "watchdog": {"intake"},
         "pymediainfo": {"media"}, "click": {"cli"}, "rich": {"cli"}, "starlette": {"sandbox", "service"},
         "uvicorn": {"sandbox", "service"}, "standardwebhooks": {"sandbox", "service"},
         "prometheus_client": {"service"}, "av": {"sandbox", "service"},
         "apprise": {"service"}}


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += (f"{node.module}.{name.name}" for name in node.names)
    return tuple(found)


def _room(path: Path) -> str:
    return path.relative_to(_PACKAGE).parts[0].removesuffix(".py")


_MODULES = sorted(_PACKAGE.rglob("*.py"))


def test_a_room_uses_only_what_lies_below_it() -> None:
    """What puts the parts together, and the commands, stand above them all."""
    assert [f"{path}: {name}" for path in _MODULES if (room := _room(path)) in _BELOW
            for name in _imports(path) if name.startswith("diffio_watch.")
            and name.split(".")[1] not in {*_BELOW[room], room, "__version__"}] == []


def test_a_foreign_library_is_known_to_one_room_alone() -> None:
    assert [f"{path}: {name}" for path in _MODULES for name in _imports(path)
            if _room(path) not in _ONLY.get(name.split(".")[0], {_room(path)})] == []


def test_every_room_is_looked_into() -> None:
    assert set(_BELOW) <= {_room(path) for path in _MODULES}


def test_the_plan_has_no_way_back() -> None:
    """Whoever a room may use may not use that room, by whatever way."""
    def reached(room: str) -> set[str]:
        return _BELOW[room].union(*(reached(below) for below in _BELOW[room]))

    assert all(room not in reached(room) for room in _BELOW)
    assert "pipeline" not in reached("service")
    assert reached("journal") <= _WORDS | {"aside", "config", "disk"}


def test_nothing_below_the_commands_uses_them() -> None:
    for path in _MODULES:
        if _room(path) not in {"cli", "__main__"}:
            assert not [name for name in _imports(path) if name.startswith("diffio_watch.cli")], path


def _calls(path: Path) -> list[tuple[str, ast.Call]]:
    """What a module calls, by its last name."""
    return [(node.func.id if isinstance(node.func, ast.Name) else node.func.attr, node)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)]


def test_no_thread_holds_up_the_end() -> None:
    """Any may hang in a call for good; Python waits for those that are no daemons, and for all of its executors."""
    calls = [(path, *call) for path in _MODULES if _room(path) != "sandbox" for call in _calls(path)]
    threads = [call for _, name, call in calls if name == "Thread"]
    assert len(threads) > 5
    assert all("daemon=True" in map(ast.unparse, call.keywords) for call in threads)
    assert [path for path, name, _ in calls if name in {"to_thread", "run_in_executor", "ThreadPoolExecutor"}] == []


def test_small_files_are_read_in_one_way() -> None:
    """Those of the configuration and of secrets, wherever they lie: no other reader would end in time."""
    readers = {*(_PACKAGE / "config").glob("*.py"), _PACKAGE / "service/token.py",
               _PACKAGE / "service/notices/addresses.py"} - {_PACKAGE / "config/example.py"}  # reads what is ours
    assert [path.name for path in readers
            if {name for name, _ in _calls(path)} & {"open", "read_text", "read_bytes"}] == ["small_file.py"]
