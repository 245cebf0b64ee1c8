from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo


def test_a_model_with_layers_of_this_zoo_is_read_in_another_process(
    run_python: Callable[..., Any], tmp_path: Path
) -> None:
    model = zoo.build("gpt_tiny", input_shape=(4,), vocabulary_size=9, head={"kind": "token", "units": 9})
    model.save(tmp_path / "gpt.keras")
    rows = np.array([[3, 1, 4, 1]], "int32")

    run = run_python(
        "import sys, numpy as np, zoo; model = zoo.load_model(sys.argv[1]); "
        "print(model(np.array([[3, 1, 4, 1]], 'int32'))['probabilities'].numpy().ravel().tolist())",
        str(tmp_path / "gpt.keras"),
    )

    np.testing.assert_array_equal(eval(run.stdout), model(rows)["probabilities"].numpy().ravel())  # noqa: S307 - our own


def test_what_is_missing_to_read_a_model_is_said(run_python: Callable[..., Any], tmp_path: Path) -> None:
    save = """
import sys, keras, zoo

@keras.saving.register_keras_serializable("mine")
def stretch(x, by=2.0):
    return x * by

activation = {"kind": "mine>stretch", "by": 3.0}
zoo.build("mlp", input_shape=(3,), units=[2], activation=activation, head={"kind": "linear"}).save(sys.argv[1])
"""
    run = run_python(save, str(tmp_path / "stretch.keras"))
    assert run.returncode == 0, run.stderr

    with pytest.raises(zoo.ArtifactError, match="'mine>stretch'; import the module that registers it first"):
        zoo.load_model(tmp_path / "stretch.keras")


@pytest.mark.parametrize("content", [None, b"", b"no zip"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.keras"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(zoo.ArtifactError, match=r"there is no file|is no model that can be read"):
        zoo.load_model(path)
