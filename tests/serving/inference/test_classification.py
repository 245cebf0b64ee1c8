"""Triton's top-k texts, held against NumPy and the model's own labels."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferRequestedOutput
from tritonclient.utils import InferenceServerException

import serving
from serving.services.inference.classification import classify
from serving.signature import TensorSpec
from serving.status import StatusError
from tests.serving.inference.cases import triton_input

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp"
ROWS = TensorSpec("float32", (None, None))
PLENTY = 1 << 20


@pytest.fixture(scope="module")
def wine() -> Iterator[InferenceServerClient]:
    with (
        serving.Server(WINE, model_name="wine_mlp", port=0, poll_seconds=0) as server,
        InferenceServerClient(f"localhost:{server.port}") as client,
    ):
        yield client


def test_the_largest_probabilities_come_with_the_models_labels(wine: InferenceServerClient) -> None:
    rows = np.array(
        [[13.0, 2, 2.4, 20, 100, 2.5, 2, 0.3, 1.5, 5, 1, 3, 700], [12.0, 1.5, 2, 18, 90, 2, 2, 0.3, 1, 3, 1, 2, 400]]
    )
    given = [triton_input("inputs", rows.astype(np.float32))]
    probabilities = wine.infer("wine_mlp", given).as_numpy("probabilities")
    labels = json.loads((WINE / "1" / "assets.extra" / "passport.json").read_text())["class_names"]["probabilities"]

    texts = wine.infer("wine_mlp", given, outputs=[InferRequestedOutput("probabilities", class_count=2)]).as_numpy(
        "probabilities"
    )

    assert texts.shape == (2, 2)
    for row, expected in zip(texts, probabilities, strict=True):
        for text, index in zip(row, np.argsort(-expected), strict=False):
            assert text.decode() == f"{expected[index]:.6f}:{index}:{labels[index]}"


def test_more_classes_than_there_are_give_all_of_them(wine: InferenceServerClient) -> None:
    given = [triton_input("inputs", np.ones((1, 13), np.float32))]
    wanted = [InferRequestedOutput("probabilities", class_count=99)]
    assert wine.infer("wine_mlp", given, outputs=wanted).as_numpy("probabilities").shape == (1, 3)


def test_texts_have_no_classes(wine: InferenceServerClient) -> None:
    given = [triton_input("inputs", np.ones((1, 13), np.float32))]
    with pytest.raises(
        InferenceServerException, match="class result not available for output due to unsupported type 'BYTES'"
    ):
        wine.infer("wine_mlp", given, outputs=[InferRequestedOutput("label", class_count=1)])


def test_less_than_one_class_is_refused(wine: InferenceServerClient) -> None:
    given = [triton_input("inputs", np.ones((1, 13), np.float32))]
    with pytest.raises(InferenceServerException, match="invalid value for 'classification' parameter, expected >= 1"):
        wine.infer("wine_mlp", given, outputs=[InferRequestedOutput("probabilities", class_count=-1)])


def test_ties_and_nan() -> None:
    found = classify(np.array([[1, np.nan, 3, 3, -np.inf]], np.float32), ROWS, 5, (), PLENTY)
    assert found.tolist() == [[b"3.000000:2", b"3.000000:3", b"1.000000:0", b"nan:1", b"-inf:4"]]


def test_whole_numbers_are_exact() -> None:
    found = classify(np.array([[0, 2**64 - 1, 2**63]], np.uint64), ROWS, 2, ("a", "b", "c"), PLENTY)
    assert found.tolist() == [[b"18446744073709551615:1:b", b"9223372036854775808:2:c"]]


def test_an_output_without_batch_axis_is_one_row() -> None:
    assert classify(np.array([[1, 5], [7, 2]]), TensorSpec("int64", (2, 2)), 2, (), PLENTY).tolist() == [b"7:2", b"5:1"]


def test_texts_that_would_fill_the_memory_are_refused() -> None:
    with pytest.raises(StatusError, match="ask for fewer classes"):
        classify(np.zeros((1000, 1000), np.float32), ROWS, 1000, (), PLENTY)
