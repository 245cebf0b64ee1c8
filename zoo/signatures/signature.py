"""One named callable of an exported model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zoo.endpoints import Endpoint

if TYPE_CHECKING:
    import tensorflow as tf

PREDICT_METHOD = "tensorflow/serving/predict"


@dataclass(frozen=True)
class Signature:
    """What is called, with what, and what is known of it."""

    name: str
    function: Endpoint
    """Tensors by name -> tensors by name; outputs get their dtypes and shapes when it is traced."""
    inputs: "Mapping[str, tf.TensorSpec]"
    golden: Mapping[str, np.ndarray] | None = None
    """Inputs whose answers the passport keeps; None for no golden answers."""
    method_name: str = PREDICT_METHOD
    """What TensorFlow Serving's APIs know it by."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value that is possible, by input or output; left out where unknown."""
