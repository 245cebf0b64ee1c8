import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["training.config.experiment", "zoo.overrides", "training.recipe"])
def test_the_examples_in_docstrings_hold(module: str) -> None:
    found = doctest.testmod(import_module(module))
    assert found.attempted > 0
    assert found.failed == 0
