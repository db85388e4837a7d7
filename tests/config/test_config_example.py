from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from diffio_watch.config import Config, Inbox, Wrong, example, json_schema, parse, render_init, yaml12
from diffio_watch.config.group import Group, Refused, keys_of
from diffio_watch.config.model import Defaults
from diffio_watch.config.schema import SCHEMA_FILE

ROOT = Path(__file__).parents[2]
NEEDED = {"name": "podcasts", "path": "/srv/studio/inbox", "outbox": "/srv/studio/outbox"}


@pytest.fixture
def shown() -> Any:
    document = yaml12.read(example().encode())
    assert document.faults == []
    return document.data


def test_the_example_is_the_one_at_the_top() -> None:
    assert (ROOT / "config.example.yaml").read_text(encoding="utf-8") == example()


def test_the_example_loads_and_says_nothing_but_defaults() -> None:
    config = parse(example().encode(), {"HOME": "/home/ed"})
    bare = parse(json.dumps({"inboxes": [NEEDED]}).encode(), {"HOME": "/home/ed"})
    assert config == bare


def test_the_example_shows_every_key_with_its_default(shown: dict[str, Any]) -> None:
    schema = json_schema()

    def compare(model: type[Group], data: dict[str, Any], name: str) -> None:
        properties = schema["properties"] if model is Config else schema["$defs"][model.__name__]["properties"]
        assert list(data) == list(properties) or model is Inbox
        assert set(data) == set(keys_of(model)) == set(properties)
        for key, value in data.items():
            inner = next((arg["$ref"] for arg in properties[key].get("anyOf", ()) if "$ref" in arg), None)
            if inner == "#/$defs/Defaults":
                assert value == {}
            elif inner:
                models = {one.kind.group.__name__: one.kind.group for one in keys_of(model).values() if one.kind.group}
                compare(models[inner.rpartition("/")[2]], value, f"{name}.{key}")
            elif key == "inboxes":
                compare(Inbox, value[0], "inboxes")
            elif "default" in properties[key]:
                assert value == properties[key]["default"], f"{name}.{key}"
            else:
                assert value == NEEDED[key]

    compare(Config, shown, "")


def test_what_inboxes_share_is_all_but_four_keys() -> None:
    assert set(keys_of(Inbox)) - set(keys_of(Defaults)) == {"name", "path", "outbox", "archive"}


def test_the_example_s_comments_begin_in_one_column() -> None:
    lines = [line for line in example().splitlines() if " #" in line and not line.lstrip().startswith("#")]
    assert {line.index(" #") + 1 for line in lines if len(line.split(" #")[0].rstrip()) < 38} == {39}
    assert max(map(len, example().splitlines())) <= 120


def test_the_published_schema_is_the_models() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == json_schema()


def test_the_schema_takes_the_example_and_what_the_reader_takes(shown: dict[str, Any]) -> None:
    check = jsonschema.Draft202012Validator(json_schema())
    jsonschema.Draft202012Validator.check_schema(json_schema())
    check.validate(shown)
    shared = {"settle": 3, "file_mode": 664, "params": None}
    for change in ({"limits": None}, {"defaults": shared}, {"state_dir": "~/x"}):
        check.validate(shown | change)
        parse(json.dumps(shown | change).encode(), {"HOME": "/home/ed"})


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("limits", "uploads", "4"), ("limits", "upload", 4), ("limits", "uploads", 0), ("limits", "min_free", "1GB"),
     ("api", "read_timeout", "1 min"), ("api", "key", "x"), ("log", "level", "loud"), ("defaults", "name", "x"),
     ("defaults", "outputs", ["mp3"]), ("defaults", "recursive", "yes"), ("defaults", "output_name", "x")],
)  # fmt: skip
def test_the_schema_finds_what_the_reader_refuses(shown: dict[str, Any], section: str, key: str, value: object) -> None:
    changed = copy.deepcopy(shown)
    changed[section][key] = value
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(changed)
    with pytest.raises(Refused) as refused:
        Config.of(changed)
    assert (section, key) in {slip.location[:2] for slip in refused.value.slips}


@pytest.mark.parametrize(
    "folder",
    ["/srv/in", "/srv/my show", "/srv/#1", "/srv/a: b", "/srv/it's \"x\"", "/srv/back\\slash", "/srv/ümlaut \U0001f600",
     "/srv/~", "/srv/new\nline\x7f\u2028", "/srv/on", "/srv/$HOME", "/srv/-", "/srv/@x"],
)  # fmt: skip
def test_init_writes_a_configuration_with_these_folders(folder: str) -> None:
    text = render_init(folder, Path("/srv/out put"))
    config = parse(text.encode(), {"HOME": "/home/ed"})
    assert (str(config.inboxes[0].path), str(config.inboxes[0].outbox)) == (folder, "/srv/out put")
    assert text.count("#") > 50
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_FILE.as_uri()}"


def test_init_names_the_inbox_after_its_folder() -> None:
    assert parse(render_init("/srv/My Show (new)", "/o").encode(), {}).inboxes[0].name == "My-Show-new"
    assert parse(render_init("/srv/日本", "/o").encode(), {}).inboxes[0].name == "inbox"
    assert parse(render_init("/srv/2026", "/o").encode(), {}).inboxes[0].name == "2026"
    assert parse(render_init("/srv/null", "/o").encode(), {}).inboxes[0].name == "null"
    assert parse(render_init("/srv/x", "/o", name="podcasts").encode(), {}).inboxes[0].name == "podcasts"


@pytest.mark.parametrize("folder", ["in", "~/in", "/srv/${X}", "/srv/\udcff"])
def test_init_says_what_can_not_stand_in_a_file(folder: str) -> None:
    with pytest.raises(Wrong):
        render_init("/srv/in", folder)


def test_the_example_goes_into_the_wheel() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"]["config.example.yaml"] == "diffio_watch/config/example.yaml"
