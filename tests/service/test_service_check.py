"""What `check` says of the page: its address, who reads it, its token."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from service_page import TOKEN, Place

from diffio_watch.cli.page_findings import page
from diffio_watch.config.model import Web


def _found(tmp_path: Path, **web: Any) -> list[tuple[str, str]]:
    config = replace(Place(tmp_path).config(), web=Web(**web))
    return [(one.level, f"{one.message} {one.action}") for one in page(config)]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    made = tmp_path / "secret"
    made.touch(0o600)
    made.write_text(TOKEN)
    return made


def test_no_page_no_words(tmp_path: Path) -> None:
    assert _found(tmp_path) == []


def test_all_is_well(tmp_path: Path, token: Path) -> None:
    found = _found(tmp_path, listen="127.0.0.1:0", token_file=token)
    assert [level for level, _ in found] == ["ok", "ok"]


def test_an_address_that_is_taken_is_found(tmp_path: Path, token: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = _found(tmp_path, listen=f"127.0.0.1:{other.getsockname()[1]}", token_file=token)
    assert found[0][0] == "error"
    assert "Address already in use" in found[0][1]


def test_a_token_that_others_can_read_or_that_is_missing_is_found(tmp_path: Path, token: Path) -> None:
    token.chmod(0o644)
    assert ("error", f"Others can read the page's token in {token}. `chmod 600 {token}` ends that.") in _found(
        tmp_path, listen="127.0.0.1:0", token_file=token)
    found = _found(tmp_path, listen="127.0.0.1:0", token_file=tmp_path / "none")
    assert found[1][0] == "error"
    assert "openssl rand" in found[1][1]


@pytest.mark.parametrize(("listen", "level"), [
    ("127.0.0.1:0", "warning"), ("[::1]:0", "warning"), ("unix:/run/x.sock", "warning"), ("0.0.0.0:0", "error"),
])
def test_without_a_token_it_depends_on_who_can_reach_it(tmp_path: Path, listen: str, level: str) -> None:
    if listen.startswith("[") and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    assert _found(tmp_path, listen=listen)[1][0] == level


def test_a_page_for_others_has_to_know_its_names(tmp_path: Path, token: Path) -> None:
    assert "web.hosts" in _found(tmp_path, listen="0.0.0.0:0", token_file=token)[-1][1]
    assert len(_found(tmp_path, listen="0.0.0.0:0", token_file=token, hosts=("nas",))) == 2
