"""KServe's Python server with every artifact of a folder: kserve_server.py REPOSITORY GRPC_PORT HTTP_PORT.

Needs the environment of `make bench-peers`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kserve
from kserve import InferOutput, InferRequest, InferResponse
from tflite_model import TFLiteModel

MODELS = ("m1", "m2", "m3")
_DATATYPES = {"float32": "FP32", "int64": "INT64"}


class Model(kserve.Model):
    """Decodes, computes, encodes."""

    def __init__(self, name: str, version: Path) -> None:
        """Load at once."""
        super().__init__(name)
        self._model = TFLiteModel(version)
        self.ready = True

    async def predict(
        self,
        payload: InferRequest,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
        response_headers: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> InferResponse:
        """See kserve.Model."""
        outputs = []
        for name, value in self._model({each.name: each.as_numpy() for each in payload.inputs}).items():
            output = InferOutput(name, list(value.shape), _DATATYPES[value.dtype.name])
            output.set_data_from_numpy(value, binary_data=True)
            outputs.append(output)
        return InferResponse(payload.id, self.name, outputs)


if __name__ == "__main__":
    repository, grpc_port, http_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    server = kserve.ModelServer(grpc_port=grpc_port, http_port=http_port, enable_grpc=True, workers=1)
    server.start([Model(name, repository / name / "1") for name in MODELS])
