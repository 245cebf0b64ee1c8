"""Requests that a version answers before it goes live, so that no client waits for what its first calls compile."""

import logging
from collections.abc import Mapping
from pathlib import Path

from google.protobuf.message import DecodeError

from serving.asking import ask
from serving.codec import CodecError, decode
from serving.engines.engine import Engine
from serving.protos import prediction_log_pb2 as log_pb
from serving.protos import prediction_pb2 as pb
from serving.signature import Signature
from serving.status import ServerError, StatusError
from serving.tf_records import read_records

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
"""Inside a version, as TensorFlow Serving looks for it (tensorflow/serving, docs: saved_model_warmup)."""
MOST_RECORDS = 1000
"""As with TensorFlow Serving."""
_MAX_BYTES = 64 << 20

logger = logging.getLogger(__name__)


def warm_up(version: Path, engine: Engine, signatures: Mapping[str, Signature]) -> int:
    """Run the recorded Predict requests of a version; its answers are thrown away.

    Records of other APIs are left out: their signatures share the graph of those that are run.

    Args:
        version: its folder.
        engine: what executes it.
        signatures: of the version.

    Returns:
        How many requests were run; 0 where there is no file.

    Raises:
        ServerError: the file is damaged, holds more than 1000 records, or a request that the version refuses.
    """
    path = version / FILE
    if not path.is_file():
        return 0
    ran = 0
    for number, record in enumerate(read_records(path, max_bytes=_MAX_BYTES)):
        if number >= MOST_RECORDS:
            raise ServerError(f"{path} holds more than {MOST_RECORDS} requests: the load would take too long")
        try:
            log = log_pb.PredictionLog.FromString(record)
            request = pb.PredictRequest.FromString(log.predict_log.request)
        except DecodeError:
            raise ServerError(f"{path}, record {number} is no PredictionLog") from None
        if log.WhichOneof("log_type") != "predict_log":
            logger.info("%s, record %d is no Predict request: left out", path, number)
            continue
        try:
            inputs = {key: decode(proto) for key, proto in request.inputs.items()}
            ask(engine, signatures, request.model_spec.signature_name, inputs)
        except (CodecError, StatusError) as error:
            raise ServerError(
                f"{path}, record {number}: the version refuses its own warm-up request: {error}"
            ) from None
        ran += 1
    return ran
