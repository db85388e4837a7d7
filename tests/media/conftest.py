"""Makes the helpers of intake's tests importable here too, and keeps what they make."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "intake"))


@pytest.fixture(scope="session", autouse=True)
def _store(shared: Path) -> None:
    import intake_media  # noqa: PLC0415 - it lies on the path made above

    intake_media.keep_in(shared / "media")
