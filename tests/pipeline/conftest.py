"""The house's fixtures, for these tests."""

from __future__ import annotations

from pipeline_fixtures import house, make_house, service

__all__ = ["house", "make_house", "service"]
