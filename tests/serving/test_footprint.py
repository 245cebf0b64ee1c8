"""What versions are counted as, from their files: operations as TensorFlow counts them, weights as they lie there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow.core.protobuf import saved_model_pb2

from serving.engines.by_files import EngineByFiles
from serving.footprint import saved_model_bytes
from serving.status import ServerError

SHIPPED = Path(__file__).parents[2] / "saved_models"
VERSIONS = [SHIPPED / name / "1" for name in ("wine_mlp", "digits_cnn", "co2_transformer")]
Install = Callable[[str, str, int], Path]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.parent.name)
def test_a_saved_model_takes_its_weights_and_32_kib_an_operation(version: Path) -> None:
    file = version / "saved_model.pb"
    (graph,) = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    functions = graph.graph_def.library.function
    operations = len(graph.graph_def.node) + sum(len(function.node_def) for function in functions)
    weights = sum(each.stat().st_size for each in (version / "variables").iterdir())
    assert saved_model_bytes(version) == weights + 9 * file.stat().st_size + 32 * 1024 * operations


def test_only_what_is_loaded_counts() -> None:
    version = SHIPPED / "wine_mlp" / "1"
    size = (version / "model.tflite").stat().st_size
    assert EngineByFiles().memory_bytes(version) == saved_model_bytes(version)
    assert EngineByFiles(prefer_tflite=True, interpreters=3).memory_bytes(version) == 4 * size


def test_files_that_do_not_tell_are_named(install: Install) -> None:
    version = install("affine2", "m", 1)
    (version / "saved_model.pb").write_bytes(b"\xff")
    with pytest.raises(ServerError, match=r"saved_model\.pb is not a SavedModel, or is cut short"):
        saved_model_bytes(version)
    (version / "saved_model.pb").unlink()
    with pytest.raises(ServerError, match="is not a whole SavedModel"):
        saved_model_bytes(version)
