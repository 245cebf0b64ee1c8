"""Which graph of a SavedModel is read and loaded, by its tags."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import serving
from serving.engines.saved_model import SavedModelEngine
from serving.saved_model import read_signature_defs
from serving.status import ServerError

v1 = tf.compat.v1


def write_graphs(path: Path, *graphs: tuple[tuple[str, ...], float]) -> None:
    """Write a SavedModel as TensorFlow 1 did: per graph its tags, and the factor of `y = factor * x`."""
    builder = v1.saved_model.Builder(str(path))
    for number, (tags, factor) in enumerate(graphs):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None], name="x")
            w = v1.get_variable("w", initializer=1.0, use_resource=False)
            session.run(w.initializer)
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": w * x * factor})
            if number == 0:
                builder.add_meta_graph_and_variables(session, tags, signature_def_map={"serving_default": signature})
            else:
                builder.add_meta_graph(tags, signature_def_map={"serving_default": signature})
    builder.save()


def answer(path: Path, *tags: str) -> float:
    wanted = frozenset(tags)
    assert list(read_signature_defs(path, wanted).signature_def) == ["serving_default"]
    return float(SavedModelEngine(path, wanted).run("serving_default", {"x": np.ones(1, np.float32)})["y"][0])


def test_the_graph_of_exactly_these_tags_is_taken(tmp_path: Path) -> None:
    write_graphs(tmp_path / "1", (("serve",), 2.0), (("serve", "gpu"), 3.0), (("train",), 4.0))
    assert answer(tmp_path / "1", "serve") == 2.0
    assert answer(tmp_path / "1", "gpu", "serve") == 3.0
    assert answer(tmp_path / "1", "train") == 4.0


def test_the_only_graph_of_more_tags_will_do(tmp_path: Path) -> None:
    write_graphs(tmp_path / "1", (("serve", "gpu"), 3.0), (("train",), 4.0))
    assert answer(tmp_path / "1", "serve") == 3.0


def test_no_such_graph_or_several_are_refused_with_those_there_are(tmp_path: Path) -> None:
    write_graphs(tmp_path / "1", (("serve", "gpu"), 3.0), (("serve", "tpu"), 4.0))
    words = r"Could not find meta graph def matching supplied tags: \{ serve \}.* has \{ gpu serve \}; \{ serve tpu \}"
    with pytest.raises(ServerError, match=words):
        read_signature_defs(tmp_path / "1")
    with pytest.raises(ServerError, match=r"supplied tags: \{ train \}"):
        SavedModelEngine(tmp_path / "1", frozenset({"train"}))


def test_a_saved_model_of_tensorflow_2(saved_models: Path) -> None:
    assert SavedModelEngine(saved_models / "affine2").run("serving_default", {"x": np.ones(1, np.float32)})["y"] == [
        2.5
    ]
    with pytest.raises(ServerError, match=r"matching supplied tags: \{ train \}"):
        SavedModelEngine(saved_models / "affine2", frozenset({"train"}))


def test_a_server_loads_the_graph_that_it_was_told_to(tmp_path: Path) -> None:
    write_graphs(tmp_path / "models" / "m" / "1", (("serve",), 2.0), (("serve", "gpu"), 3.0))
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0, saved_model_tags="serve,gpu") as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        assert client.predict("m", {"x": np.ones(1, np.float32)}, timeout=60)["y"] == [3.0]
    with pytest.raises(ServerError, match="saved_model_tags ',': expected at least one"):
        serving.ServerConfig(saved_model_tags=",")
