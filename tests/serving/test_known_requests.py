"""Requests that are recognised by their bytes get the answers that arithmetic, and a request of other bytes, get."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import serving
from serving.codec import decode, encode
from serving.protos import prediction_pb2 as pb
from serving.wire import PREDICT

UNKNOWN = b"\xa2\x06\x01x"
"""A field that no PredictRequest has; with it, a request is the same and its bytes are others."""
NUMBERS = st.floats(-100, 100, width=16)


def request(
    model: str, arrays: dict[str, np.ndarray], *, as_content: bool = True, outputs: tuple[str, ...] = ()
) -> bytes:
    made = pb.PredictRequest(model_spec=pb.ModelSpec(name=model), output_filter=outputs)
    for name, array in arrays.items():
        made.inputs[name].CopyFrom(encode(array, as_content=as_content))
    return made.SerializeToString()


@pytest.fixture(scope="module")
def ask(server: serving.Server) -> Iterator[Callable[[bytes], dict[str, np.ndarray] | str]]:
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        call = channel.unary_unary(PREDICT)

        def answer(message: bytes) -> dict[str, np.ndarray] | str:
            try:
                response = pb.PredictResponse.FromString(call(message, timeout=30))
            except grpc.RpcError as error:
                return f"{error.code().name}: {error.details()}"
            return {name: decode(proto) for name, proto in response.outputs.items()}

        yield answer


Ask = Callable[[bytes], "dict[str, np.ndarray] | str"]


@st.composite
def askings(draw: st.DrawFn) -> tuple[str, dict[str, np.ndarray], bool]:
    rows = draw(st.integers(0, 3))
    model = draw(st.sampled_from(["affine", "sum", "nobody"]))
    if model == "sum":
        b = hnp.arrays("int32", (rows, 3), elements=st.integers(-9, 9))
        arrays = {"a": draw(hnp.arrays("float32", (rows, 3), elements=NUMBERS)), "b": draw(b)}
    else:
        dtype = draw(st.sampled_from(["float32", "float32", "float32", "float64"]))
        arrays = {"x": draw(hnp.arrays(dtype, (rows,), elements=NUMBERS))}
    return model, arrays, draw(st.booleans())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(askings(), min_size=3, max_size=6))
def test_requests_in_any_order_are_answered_as_if_each_were_the_first(
    ask: Ask, found: list[bool], asked: list[tuple[str, dict[str, np.ndarray], bool]]
) -> None:
    for model, arrays, as_content in [*asked, *asked]:
        message = request(model, arrays, as_content=as_content)
        answer, afresh = ask(message), ask(message + UNKNOWN)
        if isinstance(answer, str) or isinstance(afresh, str):
            assert answer == afresh
            continue
        expected = arrays["x"] / 2 + 3 if model == "affine" else arrays["a"] + arrays["b"].astype(np.float32)
        np.testing.assert_array_equal(answer["y" if model == "affine" else "total"], expected)
        for name in answer:
            np.testing.assert_array_equal(answer[name], afresh[name])


def test_the_third_request_of_a_kind_is_recognised(ask: Ask, found: list[bool]) -> None:
    for value in range(4):
        x = np.full(91, value, np.float32)
        np.testing.assert_array_equal(ask(request("affine", {"x": x}))["y"], x / 2 + 3)
    unknown = found.index(True)
    assert unknown in (2, 4), "it is looked for by what answers at once, and by the handler where that cannot"
    assert all(found[unknown:])


def test_what_is_wanted_of_a_recognised_request_is_answered(ask: Ask, found: list[bool]) -> None:
    arrays = {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 3), np.int32)}
    for _ in range(3):
        assert ask(request("sum", arrays, outputs=("rows",))).keys() == {"rows"}
        assert ask(request("sum", arrays)).keys() == {"rows", "total"}
        assert ask(request("sum", arrays, outputs=("total",))).keys() == {"total"}
    assert found[-3:] == [True] * 3


def test_requests_of_text_are_read_whole(ask: Ask, found: list[bool]) -> None:
    for _ in range(3):
        made = pb.PredictRequest(model_spec=pb.ModelSpec(name="sum", signature_name="length"))
        made.inputs["text"].CopyFrom(encode(np.array([b"zoo"], object)))
        assert ask(made.SerializeToString())["length"].tolist() == [3]
    assert not any(found)


def test_a_new_version_answers_what_an_older_one_was_asked(
    install: Callable[[str, str, int], Path], tmp_path: Path, found: list[bool]
) -> None:
    install("affine2", "m", 1)
    x = np.arange(5, dtype=np.float32)
    with (
        serving.Server(tmp_path / "models", port=0, poll_seconds=0) as server,
        serving.Client(f"localhost:{server.port}") as client,
    ):
        for offset in (2, 3, 2):
            for _ in range(4):
                np.testing.assert_array_equal(client.predict("m", {"x": x}, timeout=30)["y"], x / 2 + offset)
            assert found[-1]
            if offset == 3:
                server.manager.unload("m")
                with pytest.raises(serving.CallError, match="NOT_FOUND"):
                    client.predict("m", {"x": x}, timeout=30)
                (tmp_path / "models" / "m" / "2").rename(tmp_path / "old")
                server.manager.load("m")
            elif offset == 2 and not (tmp_path / "old").exists():
                install("affine3", "m", 2)
                server.refresh()
