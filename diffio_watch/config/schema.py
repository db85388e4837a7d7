"""The JSON Schema of the file, so that editors complete and check it while it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from diffio_watch.config.model import Config

SCHEMA_FILE: Final = Path(__file__).with_name("schema.json")  # the published twin of `json_schema()`


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what may stand in the file; defaults are as they are written there."""
    schema = Config.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of diffio-watch",
        **_plain(schema),
    }


def _plain(node: Any) -> Any:
    """Without pydantic's made-up titles, and with `null` where an empty group of keys is as good as none."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _plain(value) for name, value in node.items() if name != "title" or not isinstance(value, str)}
    for name, value in plain.get("properties", {}).items():
        if "$ref" in value:
            plain["properties"][name] = {"anyOf": [{"$ref": value.pop("$ref")}, {"type": "null"}], **value}
        elif value.get("type") == "object":
            value["type"] = ["object", "null"]
    return plain
