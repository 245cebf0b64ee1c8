"""Triton's side of a model.tflite, for its Python backend."""

from pathlib import Path
from typing import Any

import triton_python_backend_utils as triton
from tflite_model import TFLiteModel


class TritonPythonModel:
    """Decodes, computes, encodes. Its name is Triton's choice."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the file beside this one."""
        self._model = TFLiteModel(Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request alone."""
        return [triton.InferenceResponse(self._answer(request)) for request in requests]

    def _answer(self, request: Any) -> list[Any]:
        outputs = self._model({each.name(): each.as_numpy() for each in request.inputs()})
        return [
            triton.Tensor(name, value) for name, value in outputs.items() if name in request.requested_output_names()
        ]
