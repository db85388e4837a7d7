"""Another version is put in place only where it would work."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffio_watch.cli.base import Trouble
from diffio_watch.cli.install_steps import check_of

AWAY = "error   inbox a         /mnt/studio is not there."
JOURNAL = "error   journal         The journal has version 5, and this program knows 4: install the newer one."


def version(root: Path, name: str, *said: str) -> Path:
    """An environment whose `check` prints this, and finds errors if it says so."""
    program = root / name / "bin/diffio-watch"
    program.parent.mkdir(parents=True)
    lines = "".join(f"echo '{line}'\n" for line in (*said, f"{len(said)} errors, 0 warnings."))
    program.write_text(f"#!/bin/sh\n{lines}exit {1 if said else 0}\n")
    program.chmod(0o755)
    return root / name


@pytest.mark.parametrize(("new", "old", "works"), [
    ((), (), True), ((), (AWAY,), True), ((AWAY,), (AWAY,), True), ((AWAY,), (), False), ((JOURNAL,), (), False),
    ((AWAY, JOURNAL), (AWAY,), False), ((AWAY, JOURNAL), (AWAY, JOURNAL), True)])
def test_what_is_in_use_may_have_faults_too_but_no_version_comes_back_that_refuses_the_journal(
        tmp_path: Path, new: tuple[str, ...], old: tuple[str, ...], works: bool,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFIO_WATCH_CONFIG", "")
    environments = version(tmp_path, "new", *new), version(tmp_path, "old", *old)
    if works:
        check_of(environments[0], instead_of=environments[1])
    else:
        with pytest.raises(Trouble, match="old stays in use"):
            check_of(environments[0], instead_of=environments[1])
