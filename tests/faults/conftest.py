"""The pipeline tests' house serves here too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))

import pipeline_fixtures

service = pipeline_fixtures.service
make_house = pipeline_fixtures.make_house
house = pipeline_fixtures.house
