"""Which model and signature a request of TensorFlow Serving's REST API is for."""

from collections.abc import Mapping
from typing import Any

from serving.http.call import HttpCall
from serving.http.json_text import show
from serving.model_ref import ModelRef
from serving.status import invalid

_MAX_VERSION = (1 << 63) - 1


def model_in_path(call: HttpCall) -> ModelRef:
    """Return the model that the path names. Raises StatusError where its version is no int64."""
    version = call.parameters.get("version")
    if version is not None and (len(version) > 19 or int(version) > _MAX_VERSION):
        raise invalid(f"Failed to convert version: {version[:40]} to numeric.")
    return ModelRef(
        call.parameters["model"],
        version=None if version is None else int(version),
        label=call.parameters.get("label"),
    )


def signature_in(document: Mapping[str, Any]) -> str:
    """Return the signature that a body names; empty for the default one. Raises StatusError where it is no text."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"'signature_name' key must be a string value; got {show(name)}", field="signature_name")
    return name
