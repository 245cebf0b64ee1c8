"""What `zoo bench` asks: held against the passport of a shipped artifact, and against arithmetic."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from serving.bench.subject import Subject
from serving.codec import decode
from serving.protos import prediction_pb2 as pb
from serving.saved_model import read_signature_defs
from serving.signature import Signature, TensorSpec, to_signatures
from serving.tensor_map import write_tensors
from zoo.artifact import read_passport
from zoo.tensors import read_tensor

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp"
_OUTPUTS = pb.PredictResponse.OUTPUTS_FIELD_NUMBER


def wine(rows: int) -> Subject:
    return Subject.of(WINE, to_signatures(read_signature_defs(WINE / "1"))["serving_default"], rows)


def answer(outputs: dict[str, np.ndarray]) -> bytes:
    return write_tensors(b"", _OUTPUTS, outputs)


@pytest.mark.parametrize("rows", [1, 3, 20])
def test_each_request_has_so_many_golden_rows_and_begins_at_another(rows: int) -> None:
    subject = wine(rows)
    golden = read_passport(WINE / "1").golden["serving_default"]
    known = {name: read_tensor(tensor) for name, tensor in golden.inputs.items()}
    outputs = {name: read_tensor(tensor) for name, tensor in golden.outputs.items()}
    total = len(next(iter(known.values())))
    assert subject.rows == rows
    assert subject.expected is not None
    assert len(subject.requests) == len(subject.expected) == total
    for first, (message, expected) in enumerate(zip(subject.requests, subject.expected, strict=True)):
        request = pb.PredictRequest.FromString(message)
        assert (request.model_spec.name, request.model_spec.signature_name) == ("wine_mlp", "serving_default")
        places = [(first + row) % total for row in range(rows)]
        for name, array in known.items():
            np.testing.assert_array_equal(decode(request.inputs[name]), array[places])
        for name, array in outputs.items():
            np.testing.assert_array_equal(expected[name], array[places])


def test_answers_are_held_against_the_golden_ones() -> None:
    subject = wine(2)
    assert subject.expected is not None
    right = [answer(dict(each)) for each in subject.expected]
    shifted = {name: array + 1 if array.dtype.kind == "f" else array for name, array in subject.expected[1].items()}
    assert subject.wrong(Counter({(0, right[0]): 7, (1, right[1]): 5})) == (0, "")
    count, why = subject.wrong(Counter({(0, right[0]): 7, (1, answer(shifted)): 5}))
    assert count == 5
    assert "numbers differ" in why
    assert subject.wrong(Counter({(1, right[0]): 3}))[0] == 3, "that of another request"
    assert subject.wrong(Counter({(0, b"\xff"): 2}))[0] == 2
    assert subject.wrong(Counter({(0, answer({})): 2}))[0] == 2


def signature(outputs: dict[str, TensorSpec]) -> Signature:
    return Signature("f", {"x": TensorSpec("float32", (None, 2))}, outputs)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    (tmp_path / "m" / "3").mkdir(parents=True)
    (tmp_path / "m" / "3" / "saved_model.pb").write_bytes(b"")
    return tmp_path / "m"


def test_without_a_passport_answers_are_held_against_each_other(foreign: Path) -> None:
    subject = Subject.of(foreign, signature({"y": TensorSpec("float32", (None,))}), 2)
    assert subject.expected is None
    assert len(subject.requests) > 1
    assert all(len(decode(pb.PredictRequest.FromString(each).inputs["x"])) == 2 for each in subject.requests)
    one, other = answer({"y": np.zeros(2, np.float32)}), answer({"y": np.ones(2, np.float32)})
    assert subject.wrong(Counter({(0, one): 7, (1, other): 5})) == (0, "")
    assert subject.wrong(Counter({(0, one): 7, (0, other): 5}))[0] == 5


def test_rows_that_do_not_stand_for_themselves_are_asked_as_they_are(foreign: Path) -> None:
    subject = Subject.of(foreign, signature({"mean": TensorSpec("float32", ())}), 32)
    assert len(subject.requests) == 1
    assert subject.rows == len(decode(pb.PredictRequest.FromString(subject.requests[0]).inputs["x"])) < 32
