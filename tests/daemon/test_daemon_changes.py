"""What one configuration changes of another, in words, by inbox, and what of it takes a restart."""

from __future__ import annotations

import json
from typing import Any

from diffio_watch.config import Config, parse
from diffio_watch.daemon.changes import compare, renamed


def _config(*inboxes: str, more: dict[str, Any] | None = None, **config: Any) -> Config:
    listed = [{"name": name, "path": f"/in/{name}", "outbox": f"/out/{name}", **(more or {})} for name in inboxes]
    return parse(json.dumps({"state_dir": "/state", **config, "inboxes": listed}).encode(), {})


def test_the_same_changes_nothing() -> None:
    changes = compare(_config("a"), _config("a"))
    assert changes.told == ()
    assert not changes.added | changes.removed | changes.changed


def test_inboxes_are_added_removed_and_changed_by_name() -> None:
    changes = compare(_config("a", "b"), _config("b", "c", more={"priority": 7}))
    assert [*changes.added, *changes.removed, *changes.changed] == ["c", "a", "b"]
    assert changes.told == ("inbox a: removed", "inbox b: priority: 0 -> 7", "inbox c: added, /in/c")


def test_shared_defaults_are_told_where_they_are_in_force() -> None:
    changes = compare(_config("a", "b"), _config("a", "b", defaults={"model": "diffio-4.6-pro"}))
    assert changes.changed == {"a", "b"}
    assert changes.told == tuple(
        f'inbox {name}: model: "diffio-4.6-flash" -> "diffio-4.6-pro"' for name in "ab")


def test_passwords_are_not_told_and_long_values_are_cut() -> None:
    changes = compare(_config("a"), _config("a", more={"exclude": ["x" * 200]},
                                            notify={"urls": ["mailto://user:canary@host"]}))
    assert "canary" not in " ".join(changes.told)
    assert "notify.urls: changed" in changes.told
    assert all(len(told) < 200 for told in changes.told)


def test_another_state_dir_waits_for_a_restart_and_the_rest_does_not() -> None:
    changes = compare(_config("a"), _config("a", state_dir="/elsewhere", limits={"uploads": 2}))
    assert changes.at_start == ("state_dir",)
    assert str(changes.config.state_dir) == "/state"
    assert changes.config.limits.uploads == 2
    assert changes.told == ("limits.uploads: 4 -> 2", "state_dir: takes a restart")


def test_a_new_name_for_a_folder_is_noticed() -> None:
    old = _config("a", "b")
    new = _named({"z": "/in/a", "b": "/in/b"})
    assert renamed(old, compare(old, new)) == ("a", "z")
    assert renamed(old, compare(old, _named({"a": "/in/b", "b": "/in/a"}))) == ("b", "a")
    assert renamed(old, compare(old, _config("b", "c"))) is None


def _named(places: dict[str, str]) -> Config:
    listed = [{"name": name, "path": path, "outbox": f"/out/{name}"} for name, path in places.items()]
    return parse(json.dumps({"state_dir": "/state", "inboxes": listed}).encode(), {})
