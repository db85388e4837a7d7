"""The secrets of webhooks: where they come from, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffio_watch.config import Config, SecretMissing, webhook_secrets
from diffio_watch.config.group import Refused

OLD = "whsec_dGhlLXNlY3JldC1vZi10aGVzZS10ZXN0cw=="
NEW = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlc2UtdGVzdHM"  # the padding is left out now and then


def config(**webhook: object) -> Config:
    return Config.of({"inboxes": [{"name": "a", "path": "/in", "outbox": "/out"}], "state_dir": "/s",
                      "webhook": webhook})


def test_they_are_the_lines_of_the_file_else_the_words_of_the_variable(tmp_path: Path) -> None:
    env = {"DIFFIO_WEBHOOK_SECRET": f" {OLD} "}
    assert webhook_secrets(config(), {}) == ()
    assert webhook_secrets(config(), {"DIFFIO_WEBHOOK_SECRET": "  "}) == ()
    assert webhook_secrets(config(), env) == (OLD,)
    (tmp_path / "secret").write_text(f"{NEW}\r\n\n{OLD}\n{NEW}\n")
    assert webhook_secrets(config(secret_file=str(tmp_path / "secret")), env) == (NEW, OLD)


FIVE = [f"{OLD[:-8]}{letter * 4}" for letter in "ABCDE"]


@pytest.mark.parametrize("text", ["", "\n", "whsec_", "whsec_c2hvcnQ=", "the secret of the endpoint", "whsec_!!!",
                                  "ä" * 40, OLD * 200, "\n".join(FIVE), f"http://127.0.0.1/{OLD}"])
def test_what_is_none_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    with pytest.raises(SecretMissing) as refused:
        webhook_secrets(config(secret_file=str(file)), {})
    assert str(file) in str(refused.value)
    assert len(text) < 8 or text.strip() not in str(refused.value)
    if text.strip():
        with pytest.raises(SecretMissing, match=r"\$DIFFIO_WEBHOOK_SECRET"):
            webhook_secrets(config(), {"DIFFIO_WEBHOOK_SECRET": text})


def test_a_file_that_is_not_there_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="No such file"):
        webhook_secrets(config(secret_file=str(tmp_path / "none")), {"DIFFIO_WEBHOOK_SECRET": OLD})


def test_webhooks_have_another_address_than_the_page() -> None:
    rest = {"inboxes": [{"name": "a", "path": "/in", "outbox": "/out"}], "state_dir": "/s"}
    with pytest.raises(Refused) as refused:
        Config.of(rest | {"web": {"listen": "127.0.0.1:8480"}, "webhook": {"listen": "127.0.0.1:8480"}})
    assert [slip.location for slip in refused.value.slips] == [("webhook",)]
    Config.of(rest | {"web": {"listen": "127.0.0.1:8480"}, "webhook": {"listen": "127.0.0.1:8481"}})
