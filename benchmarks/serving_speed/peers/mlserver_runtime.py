"""MLServer's side of a model.tflite."""

from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from tflite_model import TFLiteModel


class Runtime(MLModel):
    """Decodes, computes, encodes."""

    async def load(self) -> bool:
        """See MLModel."""
        self._model = TFLiteModel(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """See MLModel."""
        outputs = self._model({each.name: NumpyCodec.decode_input(each) for each in payload.inputs})
        return InferenceResponse(
            id=payload.id, model_name=self.name, outputs=[_encode(name, value) for name, value in outputs.items()]
        )


def _encode(name: str, value: np.ndarray) -> ResponseOutput:
    output = NumpyCodec.encode_output(name, value)
    output.shape = list(value.shape)  # the codec makes a column of a vector
    return output
