"""`check` tells what the unit keeps from the service: neither its user's rights nor a reload would."""

from __future__ import annotations

import pytest

from diffio_watch.cli.unit_findings import outside, unit
from diffio_watch.config import Config, parse

UNIT = "diffio-watch.service"
STRICT = "ProtectSystem=strict\nReadWritePaths={}\nStateDirectory=diffio-watch\nProtectHome=yes\nPrivateTmp=yes\n"


def config(inbox: str = "/srv/studio/in", outbox: str = "/srv/studio/out", state: str = "/var/lib/diffio-watch",
           more: str = "") -> Config:
    return parse(f"state_dir: {state}\ninboxes:\n  - name: a\n    path: {inbox}\n    outbox: {outbox}\n{more}"
                 .encode(), {})


def told(config: Config, paths: str, name: str = UNIT) -> list[tuple[str, str, str]]:
    return [(one.level, one.subject, one.message) for one in outside(config, name, STRICT.format(paths))]


@pytest.mark.parametrize("paths", ["-/srv/studio", "/srv/studio", "-+/srv", "-/srv/studio/in -/srv/studio/out",
                                   '"-/mnt/x y" -/srv/studio'])
def test_nothing_is_told_where_all_is_within(paths: str) -> None:
    assert told(config(), paths) == []


def test_a_blank_in_a_path_is_quoted_by_systemd() -> None:
    assert told(config("/mnt/x y/in", "/mnt/x y/out"), '"-/mnt/x y"') == []


def test_an_outbox_outside_is_an_error_with_the_command_that_mends_it() -> None:
    (found,) = outside(config(outbox="/data/out"), UNIT, STRICT.format("-/srv/studio"))
    assert (found.level, found.subject) == ("error", "outbox of a")
    assert found.message == "diffio-watch.service does not let the service write /data/out (ReadWritePaths=)."
    assert found.action.startswith("Run `sudo diffio-watch service install`")


def test_an_inbox_outside_is_an_error_where_originals_are_moved() -> None:
    """Where they stay, it can do with reading."""
    assert [one[:2] for one in told(config("/data/in"), "-/srv/studio")] == [("warning", "inbox a")]
    moved = config("/data/in", more="    originals: archive\n    archive: /data/old\n")
    assert [one[:2] for one in told(moved, "-/srv/studio")] == [("error", "inbox a"), ("error", "archive of a")]


def test_what_the_unit_hides_is_an_error() -> None:
    found = told(config("/home/ann/in", "/tmp/out"), "-/home/ann -/tmp")
    assert [one[:2] for one in found] == [("error", "inbox a"), ("error", "outbox of a")]
    assert "ProtectHome" in found[0][2]
    assert "PrivateTmp" in found[1][2]


def test_the_journal_is_looked_for_too() -> None:
    assert [one[:2] for one in told(config(state="/data/state"), "-/srv/studio")] == [("error", "state_dir")]
    assert told(config(state="/var/lib/diffio-watch/deep"), "-/srv/studio") == []


def test_a_unit_of_another_name_is_not_the_installer_s() -> None:
    (found,) = outside(config(outbox="/data/out"), "diffio-watch-two.service", STRICT.format("-/srv/studio"))
    assert "systemctl edit diffio-watch-two.service" in found.action


@pytest.mark.parametrize("shown", ["", "ProtectSystem=full\nReadWritePaths=\n", "ProtectSystem=no\nProtectHome=no\n",
                                   'ProtectSystem=strict\nReadWritePaths="\n',
                                   "ProtectSystem=strict\nReadWritePaths=\nRootDirectory=/tree\n"])
def test_nothing_is_told_where_nothing_is_known_or_shut(shown: str) -> None:
    assert outside(config(), UNIT, shown) == []


def test_nothing_is_told_where_there_is_no_unit() -> None:
    assert unit(config(), None) == []
