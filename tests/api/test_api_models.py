from __future__ import annotations

import pytest

from diffio_watch.api import CURRENT, KNOWN, endpoint

TABLE = {
    "diffio-4.6-flash": "diffio-4.6-flash-generation",
    "diffio-4.6-pro": "diffio-4.6-pro-generation",
    "diffio-4.5-flash": "diffio-4.5-flash-generation",
    "diffio-4.5-pro": "diffio-4.5-pro-generation",
    "diffio-4.0-flash": "diffio-4.0-flash-generation",
    "diffio-4.0-pro": "diffio-4.0-pro-generation",
    "diffio-3.5": "diffio-3.5-generation",
    "diffio-3.4": "diffio-3.4-generation",
    "diffio-2": "diffio-2.0-generation",
    "diffio-2-flash": "diffio-2.0-flash-generation",
}


@pytest.mark.parametrize("model", TABLE)
def test_each_model_has_the_endpoint_of_the_documentation(model: str) -> None:
    assert endpoint(model) == TABLE[model]


def test_known_models_are_those_of_the_table() -> None:
    assert set(KNOWN) == set(TABLE)
    assert set(CURRENT) < set(KNOWN)


@pytest.mark.parametrize("model", ["diffio-5", "diffio-4.7-flash", "someone_elses~model"])
def test_an_unknown_model_follows_the_rule_of_the_newer_ones(model: str) -> None:
    assert endpoint(model) == f"{model}-generation"


@pytest.mark.parametrize("model", ["", "a/b", "../create_project", "a b", "a?b", "a#b", "a%2fb", "é", "a\n", "x" * 101])
def test_an_id_that_is_no_part_of_a_path_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="is no model id"):
        endpoint(model)
