"""ONNX, by tf2onnx: the extra `onnx` of this package."""

import importlib.util
from typing import Any

from zoo.errors import one_line
from zoo.tensorflow_noise import hushed
from zoo.variants.errors import NoVariantError
from zoo.variants.source import Source

OPSET = 18
_NEEDED = ("onnx", "onnxruntime", "tf2onnx")


def convert_to_onnx(source: Source) -> tuple[bytes, dict[str, str]]:
    """Return the file's content, and what inputs and outputs are called in it, by their names.

    Raises:
        NoVariantError: the extra is not installed, or ONNX has no such operations.
    """
    absent = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise NoVariantError(f"{' and '.join(absent)} missing: pip install 'keras-zoo[onnx]'")
    import tensorflow as tf
    import tf2onnx

    specs = source.named.specs()
    answer = source.function()
    positional = tf.function(lambda *tensors: answer(**dict(zip(specs, tensors, strict=True))), autograph=False)
    try:
        with hushed():
            model, _ = tf2onnx.convert.from_function(
                positional,
                input_signature=list(specs.values()),
                opset=OPSET,
                custom_op_handlers={"Erfc": (_erfc, [])},
            )
    except Exception as error:  # tf2onnx raises many types
        raise NoVariantError(f"tf2onnx cannot convert it: {one_line(error)}") from error
    outputs = {name: name for name in (value.name for value in model.graph.output)}
    inputs = dict(zip(specs, (value.name for value in model.graph.input), strict=True))
    return model.SerializeToString(), {k: v for k, v in {**inputs, **outputs}.items() if k != v}


def _erfc(context: Any, node: Any, _name: str, _arguments: Any) -> Any:
    """Write the complementary error function, which exact gelus compute and tf2onnx 1.17 does not know, as 1 - erf(x)."""
    import numpy as np
    import tf2onnx

    dtype, shape = context.get_dtype(node.output[0]), context.get_shape(node.output[0])
    one = context.make_const(f"{node.name}_one", np.ones((), tf2onnx.utils.map_onnx_to_numpy_type(dtype)))
    error = context.make_node("Erf", [node.input[0]], shapes=[shape], dtypes=[dtype])
    context.remove_node(node.name)
    return context.make_node(
        "Sub", [one.output[0], error.output[0]], name=node.name, outputs=node.output, shapes=[shape], dtypes=[dtype]
    )
