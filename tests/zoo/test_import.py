"""What importing the package costs, and that it works where TensorFlow does not."""

from collections.abc import Callable
from typing import Any

import pytest

import zoo

NO_TENSORFLOW = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"{name} must not be imported", name=name)
        return None

sys.meta_path.insert(0, Refuse())
"""


def test_importing_zoo_imports_no_framework(run_python: Callable[..., Any]) -> None:
    run = run_python(
        "import sys, zoo; print([m for m in ('keras', 'tensorflow', 'pydantic', 'jax', 'yaml') if m in sys.modules])"
    )

    assert run.stdout == "[]\n", run.stderr


def test_an_architecture_builds_and_fits_where_tensorflow_cannot_be_imported(run_python: Callable[..., Any]) -> None:
    run = run_python(
        NO_TENSORFLOW
        + """
import numpy as np
import zoo
from zoo.contract import sample_inputs, sample_labels

for name in zoo.list_architectures():
    config = zoo.example_config(name)
    x, y = sample_inputs(config, 8)["inputs"], sample_labels(config, 8)
    model = zoo.build(config)
    model.compile(optimizer="adam", loss={"probabilities": "sparse_categorical_crossentropy"})
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    changed = any((a != b).any() for a, b in zip(before, model.get_weights()))
    print(name, changed, np.allclose(model(x)["probabilities"].sum(axis=-1), 1))
print("tensorflow" in sys.modules)
""",
        KERAS_BACKEND="jax",
    )

    *trained, imported = run.stdout.splitlines()
    assert trained == [f"{name} True True" for name in zoo.list_architectures()], run.stderr
    assert imported == "False"


def test_every_public_name_is_there() -> None:
    assert all(getattr(zoo, name) is not None for name in zoo.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'biuld'"):
        _ = zoo.biuld


def test_completion_shows_the_public_names() -> None:
    assert {"build", "export", "adapt"} <= set(dir(zoo))
