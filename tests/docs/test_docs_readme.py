"""The README says nothing that isn't so."""

import re
from pathlib import Path

import click

from diffio_watch.cli import group
from diffio_watch.reasons import REASONS, Kind

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text("utf-8")
_WRONG = _README.split("## When things go wrong")[1].split("## How it works")[0]


def test_every_reason_of_the_program_is_told_with_its_remedy() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)` \|.+\|.+\|$", _WRONG, re.MULTILINE))
    tables = {code for code, reason in REASONS.items()
              if reason.kind in {Kind.FAILED, Kind.HELD, Kind.PARKED, Kind.INBOX, Kind.HALT}}
    assert rows == tables


def test_reasons_without_a_remedy_are_named() -> None:
    rest = {code for code, reason in REASONS.items()
            if reason.kind in {Kind.SKIPPED, Kind.CANCELLED, Kind.SETTLING, Kind.IGNORED}}
    named = set(re.findall(r"`([a-z_]+)`", _WRONG.split("**It ended, without a fault:**")[1]))
    assert rest <= named


def test_each_table_holds_the_reasons_of_its_kind() -> None:
    heads = {"whole account": Kind.HALT, "One inbox": Kind.INBOX, "waits and goes on": Kind.PARKED,
             "is held": Kind.HELD, "failed.": Kind.FAILED}
    for part in re.split(r"\n\*\*", _WRONG)[1:]:
        title = part.split("**")[0]
        for words, kind in heads.items():
            if words in title:
                codes = re.findall(r"^\| `([a-z_]+)` \|", part, re.MULTILINE)
                assert {REASONS[code].kind for code in codes} == {kind}, title


def test_every_command_that_is_named_exists() -> None:
    context = click.Context(group)
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", _README, re.DOTALL))
    named = set(re.findall(r"diffio-watch ([a-z]+)", shell)) | set(re.findall(r"`diffio-watch ([a-z]+)", _README))
    assert named
    for name in named:
        assert group.get_command(context, name) is not None, name


def test_every_file_that_is_named_exists() -> None:
    for name in re.findall(r"`((?:diffio_watch|tests|pipeline|intake|systemd)/[\w./-]+\.\w+)`", _README):
        assert (_ROOT / name).exists() or (_ROOT / "diffio_watch" / name).exists(), name
    tree = _README.split("```\ndiffio_watch/")[1].split("```")[0]
    for name in re.findall(r"^  (\w+/|\w+\.py) ", tree, re.MULTILINE):
        assert (_ROOT / "diffio_watch" / name).exists(), name
