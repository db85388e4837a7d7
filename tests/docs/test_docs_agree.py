"""What is promised outside, the table of reasons, the README, `explain`, the schema and the JSON tell one thing."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from diffio_watch.cli import group
from diffio_watch.config import json_schema
from diffio_watch.intake import explain, settle
from diffio_watch.intake.junk import Rules
from diffio_watch.intake.look import Sight
from diffio_watch.job import State
from diffio_watch.outbox import sidecar
from diffio_watch.reasons import _CASES, REASONS, Kind, because
from diffio_watch.report import attention

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
# the codes that people's scripts and dashboards depend on; more may come, none may go
PROMISED: dict[Kind, str] = {
    Kind.FAILED: "empty too_large not_media no_sound truncated rejected generation_failed gave_up not_found "
                 "output_unavailable internal",
    Kind.HELD: "daily_limit drop_size unproven account_changed conflict duplicate_gone",
    Kind.PARKED: "unreadable in_use disk no_right in_the_way rate_limited service_error not_ready other_service "
                 "too_slow turn",
    Kind.INBOX: "unavailable outbox_unavailable outbox_full model_retired model_unknown forbidden paused",
    Kind.HALT: "auth billing spend_limit service_down",
    Kind.SETTLING: "settling open_for_writing cut_short empty_yet",
}


@pytest.mark.parametrize("kind", PROMISED)
def test_every_promised_code_is_there_and_does_what_is_promised(kind: Kind) -> None:
    """A failed one that held, or the other way round, would be another promise."""
    assert set(PROMISED[kind].split()) <= {code for code, row in REASONS.items() if row.kind is kind}


def given(function: str) -> Iterator[str]:
    """The first arguments, written out, of each call of a function in the program."""
    for file in (ROOT / "diffio_watch").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function \
                    and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def test_each_reason_that_is_given_has_its_row_and_each_case_the_kind_of_its_code() -> None:
    assert set(given("because")) <= {*REASONS, *_CASES}
    assert {REASONS[code].kind for code, row in _CASES.values() if row.kind is not REASONS[code].kind} == set()


def test_explain_has_a_rule_for_each_thing_that_a_file_waits_for() -> None:
    waits = {code for code, row in REASONS.items() if row.kind is Kind.SETTLING}
    assert waits <= explain._WAITS.keys()
    assert {*explain._WAITS, *explain._FAULTS} <= REASONS.keys()
    assert {*explain._WAITS.values(), *explain._FAULTS.values()} <= explain._WAIT_RULES.keys()


def test_each_code_by_which_a_file_is_passed_over_is_a_refusal_of_some_rule() -> None:
    refusals = set()
    for sight in (Sight("FIFO"), Sight("regular file", link=" at x"),
                  Sight("regular file", root="x")):
        refusals |= {rule.refusal.code for rule in explain._kind_rules(sight) if rule.refusal}
    for path in (".a.wav", "x/a.wav", "a.txt", "b.wav"):
        rules = Rules("in", ("*.wav",), ("b.wav",), recursive=False).explain(path)
        refusals |= {rule.refusal.code for rule in rules if rule.refusal}
    passed_over = {code for code, row in REASONS.items() if row.kind is Kind.IGNORED}
    assert passed_over - refusals <= {"left_alone"}, "what is in it was looked into"


# commands that are written in words

def parsed(line: str) -> None:
    """A command line as click takes it, but for what it does."""
    words = shlex.split(re.sub(r"\{[^}]*\}|…", "X", line), comments=True)
    context = click.Context(group, info_name="diffio-watch")
    command: click.Command = group
    while isinstance(command, click.Group):
        while words[:1] == ["-c"]:
            words = words[2:]
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    command.make_context(command.name, words, parent=context)


def written() -> Iterator[tuple[str, str]]:
    """Every command that is told somewhere, with where."""
    texts = {f"reason {code}": row.action for code, row in REASONS.items()}
    texts |= {f"case {name}": row.action for name, (_, row) in _CASES.items()}
    texts |= {f"attention {code}": text for code, text in attention._RELEASED.items()} | {"attention": attention._EACH}
    texts |= {"README": README}
    for where, text in texts.items():
        for found in re.findall(r"`(?:sudo )?diffio-watch ([a-z][^`]*)`", text):
            yield where, found
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for found in re.findall(r"(?m)(?:^|&& |sudo )(?:\.venv/bin/)?diffio-watch ([a-z].*?)(?= && |$)", block):
            yield "README", found


@pytest.mark.parametrize(("where", "line"), sorted(set(written())))
def test_every_command_that_is_told_can_be_typed(where: str, line: str) -> None:
    try:
        parsed(line.replace("{state}", "held").replace("{code}", "unproven"))
    except (click.Abort, click.exceptions.Exit):
        pass
    except click.UsageError as error:
        if len(line.split()) > 1 or "Missing argument" not in error.message:  # `diffio-watch retry` alone is a name
            raise AssertionError(f"{where}: {line}: {error.message}") from error


# keys and numbers

def keys() -> Iterator[str]:
    schema = json_schema()

    def walk(part: dict[str, object], name: str) -> Iterator[str]:
        if "$ref" in part:
            part = schema["$defs"][str(part["$ref"]).rpartition("/")[2]]
        yield name
        for each in part.get("anyOf", ()):  # type: ignore[attr-defined]  # a list of schemas
            yield from walk(each, name)
        for key, below in part.get("properties", {}).items():  # type: ignore[attr-defined]  # schemas by key
            yield from walk(below, f"{name}.{key}" if name else key)
        if isinstance(part.get("items"), dict):
            yield from walk(part["items"], f"{name}[]")  # type: ignore[arg-type]  # looked at in the line above

    return walk(schema, "")


def test_each_key_that_the_readme_and_the_reasons_name_is_one_of_the_schema() -> None:
    known = set(keys())
    rows = README.split("What most studios set:")[1].split("The keys under")[0]
    named = set(re.findall(r"`((?:inboxes\[\]|limits|api|generation)\.[\w.]+)`", README)) \
        | set(re.findall(r"`((?:limits|api|generation)\.[\w.]+)`", " ".join(row.action for row in REASONS.values())))
    assert set(re.findall(r"`([\w\[\].]+)`", rows.split("| for |")[0])) <= known
    assert named <= known


def test_the_waits_that_are_told_are_the_ones_that_are_kept() -> None:
    assert f"{settle.CUT_SHORT_FOR / 60:g} minutes" in REASONS["cut_short"].action
    assert f"{settle.EMPTY_NOTICE_AFTER / 60:g} minutes" in REASONS["empty_yet"].action
    assert re.search(rf"`truncated` \| .*{settle.CUT_SHORT_FOR / 60:g} minutes", README)


def test_the_sidecars_schema_knows_the_states_that_there_are() -> None:
    schema = json.loads(Path(sidecar.__file__).with_name("sidecar.schema.json").read_text("utf-8"))
    assert set(schema["$defs"]["State"]["enum"]) == {state.value for state in State}


@pytest.mark.parametrize("code", sorted({*REASONS, *_CASES}))
def test_each_reason_is_sentences_to_their_end(code: str) -> None:
    """Whatever stands in for others' words, with their full stop or without: what to do is told in the same line."""
    for detail in ("It is so", "It is so."):
        message = because(code, detail=detail).message
        assert re.search(r"[^.]\.$", message)
