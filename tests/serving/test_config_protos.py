"""Our copies of TensorFlow Serving's configuration messages, against the real ones and against its .proto files."""

from collections.abc import Iterator

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import logging_config_pb2, model_server_config_pb2

from serving.protos import config_pb2, prediction_pb2
from serving.text_proto import parse_text

PAIRS = [
    (config_pb2.ModelServerConfig, model_server_config_pb2.ModelServerConfig),
    (config_pb2.LoggingConfig, logging_config_pb2.LoggingConfig),
    (prediction_pb2.ReloadConfigRequest, model_management_pb2.ReloadConfigRequest),
    (prediction_pb2.ReloadConfigResponse, model_management_pb2.ReloadConfigResponse),
]
Shape = tuple[str, str, int, int, bool]


def shapes(message: Descriptor, path: str = "") -> Iterator[Shape]:
    """Every field below a message: where it is, its name, number, type on the wire, and whether it repeats."""
    for field in message.fields:
        # StatusProto's code is an enum there and a number here, which is the same on the wire.
        kind = FieldDescriptor.TYPE_INT32 if field.type == FieldDescriptor.TYPE_ENUM else field.type
        yield path, field.name, field.number, kind, field.is_repeated
        if field.message_type is not None:
            yield from shapes(field.message_type, f"{path}/{field.name}")


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda message: message.DESCRIPTOR.name)
def test_every_field_has_upstreams_name_number_and_type(ours: type, theirs: type) -> None:
    assert set(shapes(ours.DESCRIPTOR)) == set(shapes(theirs.DESCRIPTOR))


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        (
            config_pb2.BatchingParameters,
            {
                "max_batch_size": 1,
                "batch_timeout_micros": 2,
                "max_enqueued_batches": 3,
                "num_batch_threads": 4,
                "thread_pool_name": 5,
                "allowed_batch_sizes": 6,
                "pad_variable_length_inputs": 7,
                "enable_large_batch_splitting": 8,
                "max_execution_batch_size": 9,
            },
        ),
        (config_pb2.SSLConfig, {"server_key": 1, "server_cert": 2, "custom_ca": 3, "client_verify": 4}),
        (config_pb2.MonitoringConfig, {"prometheus_config": 1}),
        (config_pb2.PrometheusConfig, {"enable": 1, "path": 2}),
    ],
    ids=lambda value: value.DESCRIPTOR.name if hasattr(value, "DESCRIPTOR") else "",
)
def test_messages_that_upstream_has_in_no_package_have_the_numbers_of_its_proto_files(
    message: type, numbers: dict[str, int]
) -> None:
    assert {field.name: field.number for field in message.DESCRIPTOR.fields} == numbers


names = st.text(max_size=8)
policies = st.one_of(
    st.none(),
    st.builds(lambda n: {"latest": {"num_versions": n}}, st.integers(0, 2**32 - 1)),
    st.just({"all": {}}),
    st.builds(lambda v: {"specific": {"versions": v}}, st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)),
)
models = st.fixed_dictionaries(
    {
        "name": names,
        "base_path": names,
        "model_platform": names,
        "model_type": st.integers(0, 2),
        "model_version_policy": policies,
        "version_labels": st.dictionaries(names, st.integers(-(2**63), 2**63 - 1), max_size=3),
        "logging_config": st.one_of(
            st.none(), st.builds(lambda r: {"sampling_config": {"sampling_rate": r}}, st.floats(allow_nan=False))
        ),
    }
)


@settings(max_examples=100, deadline=None)
@given(st.lists(models, max_size=3))
def test_what_upstream_prints_is_read_as_it_reads_it(configs: list[dict[str, object]]) -> None:
    config_list = model_server_config_pb2.ModelConfigList(
        config=[{name: value for name, value in each.items() if value is not None} for each in configs]
    )
    theirs = model_server_config_pb2.ModelServerConfig(model_config_list=config_list)
    ours = parse_text(text_format.MessageToString(theirs), config_pb2.ModelServerConfig)
    assert ours == config_pb2.ModelServerConfig.FromString(theirs.SerializeToString())
    assert model_server_config_pb2.ModelServerConfig.FromString(ours.SerializeToString()) == theirs
