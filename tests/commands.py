"""Commands that tests run in their own process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from diffio_watch.cli import main


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(capture: pytest.CaptureFixture[bytes], *arguments: str) -> Done:
    """Run a command."""
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    out, err = capture.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return Done(code, out.decode(), err.decode())
