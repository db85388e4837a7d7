from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from diffio_watch.config import Config, KeyMissing, key_source, read_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.of({"inboxes": [{"name": "a", "path": "/in", "outbox": "/out"}], "state_dir": tmp_path})


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/diffio-api-key").write_text("from-systemd\n")
    return {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}


def with_file(config: Config, path: Path) -> Config:
    return replace(config, api=replace(config.api, key_file=path))


def test_the_key_comes_from_the_file_else_the_credential_else_the_environment(
    config: Config, credentials: dict[str, str], tmp_path: Path
) -> None:
    env = {"DIFFIO_API_KEY": "from-env"}
    (tmp_path / "key").write_text(" from-file \n")
    assert read_key(with_file(config, tmp_path / "key"), env | credentials) == "from-file"
    assert read_key(config, env | credentials) == "from-systemd"
    assert read_key(config, env) == "from-env"
    assert read_key(config, env | {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "from-env"
    assert key_source(config, env | credentials) == tmp_path / "credentials/diffio-api-key"
    assert key_source(config, env) is None


def test_the_key_is_read_anew_each_time(config: Config, tmp_path: Path) -> None:
    config = with_file(config, tmp_path / "key")
    for key in ("old", "new"):
        (tmp_path / "key").write_text(key)
        assert read_key(config, {}) == key


def test_without_a_key_the_ways_to_give_one_are_told(config: Config) -> None:
    with pytest.raises(KeyMissing, match=r"api\.key_file.*diffio-api-key.*\$DIFFIO_API_KEY"):
        read_key(config, {})


def test_a_named_file_that_is_not_there_is_not_passed_over(config: Config, tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=f"{tmp_path}/key: No such file"):
        read_key(with_file(config, tmp_path / "key"), {"DIFFIO_API_KEY": "x"})


def test_a_credential_that_can_not_be_read_is_not_passed_over(config: Config, tmp_path: Path) -> None:
    (tmp_path / "diffio-api-key").mkdir()
    with pytest.raises(KeyMissing, match="Is a directory"):
        read_key(config, {"CREDENTIALS_DIRECTORY": str(tmp_path), "DIFFIO_API_KEY": "x"})


NO_KEYS = ["", "\n", "CANARY CANARY", "CANARY\nCANARY", "CANARYé", "CANARY\x1b", "CANARY" * 1000, "\ufeffCANARY"]


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key_is_refused_and_never_repeated(config: Config, tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(KeyMissing) as caught:
        read_key(with_file(config, tmp_path / "key"), {})
    assert "CANARY" not in str(caught.value)
    with pytest.raises(KeyMissing) as caught:
        read_key(config, {"DIFFIO_API_KEY": text[:4000] + " x" if text.strip() else text})
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "no key"])
def test_where_systemd_lends_it_the_file_that_can_be_written_is_told(config: Config, tmp_path: Path, text: str) -> None:
    """What the service sees is systemd's copy: nobody can put a key there."""
    (tmp_path / "diffio-api-key").write_text(text)
    with pytest.raises(KeyMissing) as caught:
        read_key(config, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "LoadCredential" in caught.value.remedy
    assert str(tmp_path) not in str(caught.value)
