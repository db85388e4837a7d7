"""A house, and the service next door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_house import House

from diffio_watch.sandbox import Sandbox

MakeHouse = Callable[..., House]


@pytest.fixture
def service() -> Iterator[Sandbox]:
    with Sandbox(seconds=0, part_bytes=1024) as sandbox:
        yield sandbox


@pytest.fixture
def make_house(tmp_path: Path, service: Sandbox) -> Iterator[MakeHouse]:
    made: list[House] = []

    def make(**settings: Any) -> House:
        made.append(House(tmp_path, service, **settings))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house()
