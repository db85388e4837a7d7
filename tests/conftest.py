"""What a run of the tests tells at its end beside passed and failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import structlog


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what tests counted in their `user_properties`, such as kills."""
    figures = Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        figures.update({name: count for name, count in report.user_properties if isinstance(count, int)})
    if figures:
        terminalreporter.write_line(", ".join(f"{count:,} {name}" for name, count in sorted(figures.items())))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A daemon in the test's own process writes to the test's own stderr: the next test must not inherit it."""
    yield
    structlog.reset_defaults()
