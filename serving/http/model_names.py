"""Which model and signature a request of TensorFlow Serving's REST API is for."""

from collections.abc import Mapping
from typing import Any

from serving.http.call import HttpCall, whole_number
from serving.http.json_text import show
from serving.model_ref import ModelRef
from serving.status import invalid

_MAX_VERSION = (1 << 63) - 1


def model_in_path(call: HttpCall) -> ModelRef:
    """Return the model that the path names. Raises StatusError where its version is no int64."""
    text, version = call.parameters.get("version"), None
    if text is not None:
        version = whole_number(text)
        if version is None or version > _MAX_VERSION:
            raise invalid(f"Failed to convert version: {text[:40]} to numeric.")
    return ModelRef(call.parameters["model"], version=version, label=call.parameters.get("label"))


def signature_in(document: Mapping[str, Any]) -> str:
    """Return the signature that a body names; empty for the default one. Raises StatusError where it is no text."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"'signature_name' key must be a string value; got {show(name)}", field="signature_name")
    return name
