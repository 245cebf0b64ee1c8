"""A request that is recognised is refused, limited and answered as one that nobody has seen before."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import serving
from serving.codec import decode, encode
from serving.protos import inference_pb2 as oip
from serving.protos import prediction_pb2 as pb
from serving.wire import PREDICT
from tests.serving.test_access import ACCESS, sha256

INFER = "/inference.GRPCInferenceService/ModelInfer"
TOKENS = ["dash-secret", "load-secret", "sum-secret", "nobody's", None]
ROWS = 3
"""Of the largest batch that the servers take."""
SUM_ONLY = "  - {name: summer, token_sha256: %s, models: [sum]}\n"
DTYPES = {"float32": "FP32", "int32": "INT32"}

_numbers = itertools.count()


def unlike_any_other(message: bytes) -> bytes:
    """The same request, with a field more that nobody knows, and that is another each time."""
    return message + b"\xa2\x06\x08" + next(_numbers).to_bytes(8, "big")


@dataclass(frozen=True)
class Asking:
    """A request of either protocol."""

    path: str
    message: bytes


def predict(model: str, arrays: dict[str, np.ndarray], outputs: list[str]) -> Asking:
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model), output_filter=outputs)
    for name, array in arrays.items():
        request.inputs[name].CopyFrom(encode(array))
    return Asking(PREDICT, request.SerializeToString(deterministic=True))


def infer(model: str, arrays: dict[str, np.ndarray], outputs: list[str]) -> Asking:
    request = oip.ModelInferRequest(model_name=model, id="some id")
    for name, array in arrays.items():
        request.inputs.add(name=name, datatype=DTYPES[array.dtype.name], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    for name in outputs:
        request.outputs.add(name=name)
    return Asking(INFER, request.SerializeToString(deterministic=True))


NUMBERS = st.sampled_from([0.0, 1.5, -2.0, float("nan"), float("inf")])


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    """A request, most of which can be answered: all of one shape are one template."""
    rows = draw(st.sampled_from([1, 2, 2, 2, ROWS + 1]))
    if draw(st.booleans()):
        model, shapes, known = "affine", {"x": (rows,)}, ["y"]
    else:
        model, shapes, known = "sum", {"a": (rows, 3), "b": (rows, 3)}, ["total", "rows"]
    arrays = {}
    for name, shape in shapes.items():
        values = draw(st.lists(NUMBERS, min_size=4, max_size=4))
        filled = np.resize(np.array(values, np.float32), shape)
        arrays[name] = np.nan_to_num(filled, posinf=7).astype(np.int32) if name == "b" else filled
    outputs = draw(st.sampled_from([[], [], known[:1]]))
    return draw(st.sampled_from([predict, infer]))(model, arrays, outputs)


@st.composite
def mutated(draw: st.DrawFn, asking: Asking) -> Asking:
    """The request as it is, or with some bytes that are others: of numbers, names, shapes, or what holds them together."""
    message = bytearray(asking.message)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    if draw(st.sampled_from([False, False, True])):
        other = draw(st.sampled_from([b"affine", b"nobody", b"sum"]))
        message = bytearray(bytes(message).replace(draw(st.sampled_from([b"affine", b"sum"])), other))
    return Asking(asking.path, bytes(message))


Ask = Callable[[Asking, str | None], object]


def asker(channel: grpc.Channel) -> Ask:
    """What asks a server, and returns the status with its text, or the answer."""

    def ask(asking: Asking, token: str | None) -> object:
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        try:
            answer = channel.unary_unary(asking.path)(asking.message, timeout=60, metadata=metadata)
        except grpc.RpcError as error:
            return error.code(), error.details()
        if asking.path == INFER:
            response = oip.ModelInferResponse.FromString(answer)
            outputs = [(each.name, each.datatype, tuple(each.shape)) for each in response.outputs]
            return response.model_name, response.model_version, response.id, outputs, list(response.raw_output_contents)
        predicted = pb.PredictResponse.FromString(answer)
        arrays = {name: decode(proto) for name, proto in predicted.outputs.items()}
        spec = predicted.model_spec.SerializeToString(deterministic=True)
        return spec, {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}

    return ask


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("access") / "access.yaml"
    path.write_text(ACCESS + SUM_ONLY % sha256("sum-secret"))
    return path


@pytest.fixture(scope="module", params=["accept", "refuse"])
def servers(request: pytest.FixtureRequest, repository: Path, access: Path) -> Iterator[tuple[Ask, Ask]]:
    """What asks a server that recognises requests, and what asks one that has never seen any such bytes."""

    def start() -> serving.Server:
        return serving.Server(
            repository, port=0, poll_seconds=0, access_file=access, max_batch_rows=ROWS, nan_inputs=request.param
        )

    with (
        start() as one,
        start() as other,
        grpc.insecure_channel(f"localhost:{one.port}") as recognising,
        grpc.insecure_channel(f"localhost:{other.port}") as reading,
    ):
        afresh = asker(reading)
        yield (
            asker(recognising),
            lambda asking, token: afresh(Asking(asking.path, unlike_any_other(asking.message)), token),
        )


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_is_recognised_is_answered_as_what_is_read(
    servers: tuple[Ask, Ask], found: list[bool], data: st.DataObject
) -> None:
    recognising, reading = servers
    base = data.draw(askings())
    for token in ("load-secret", "sum-secret"):  # whoever may, has it learnt
        for _ in range(3):
            recognising(base, token)
    for _ in range(4):
        asking, token = data.draw(mutated(base)), data.draw(st.sampled_from(TOKENS))
        assert recognising(asking, token) == reading(asking, token)


def test_the_requests_of_this_property_are_recognised(servers: tuple[Ask, Ask], found: list[bool]) -> None:
    x = np.arange(2, dtype=np.float32)
    for make in (predict, infer):
        for _ in range(3):
            servers[0](make("affine", {"x": x}, ["y"]), "load-secret")
        assert found[-1] is True
        del found[:]
        servers[1](make("affine", {"x": x}, ["y"]), "load-secret")
        assert not any(found)


def test_who_may_no_longer_ask_is_refused_what_was_recognised(
    repository: Path, tmp_path: Path, found: list[bool]
) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    asking = predict("affine", {"x": np.arange(2, dtype=np.float32)}, [])
    with (
        serving.Server(repository, port=0, poll_seconds=0, access_file=path) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        ask = asker(channel)
        answers = [ask(asking, "dash-secret") for _ in range(3)]
        assert answers[0] == answers[2]
        assert found[-1] is True
        path.write_text(ACCESS.replace('models: ["affi*"]', 'models: ["sum"]'))
        server.refresh()
        refused = ask(asking, "dash-secret")
        assert isinstance(refused, tuple)
        assert refused[0] is grpc.StatusCode.PERMISSION_DENIED
        assert ask(asking, "load-secret") == answers[0]
