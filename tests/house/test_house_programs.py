"""The programs that tests fork."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import programs
import pytest


@pytest.mark.skipif(not programs._possible(os.environ), reason="programs can't be forked here")
def test_threads_that_begin_their_first_programs_at_once_have_one_process_that_forks(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_nursery", None)
    with ThreadPoolExecutor(8) as threads:
        found = {*threads.map(lambda _: programs._began(), range(8))}
    for each in found:
        each.close()
    assert len(found) == 1
