"""What converters read: an endpoint of the model as a TensorFlow function, without what only TensorFlow has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.variants.errors import NoVariantError

if TYPE_CHECKING:
    from zoo.endpoints import Endpoint, NamedModel


@dataclass(frozen=True)
class Source:
    """A signature of a model."""

    named: "NamedModel"
    endpoint: "Endpoint"
    signature: str

    def check(self) -> None:
        """Raise NoVariantError for what no variant can have."""
        texts = [name for name, spec in self.named.specs().items() if spec.dtype == "string"]
        if texts:
            raise NoVariantError(f"input {texts[0]!r} takes strings, which are TensorFlow's alone")
        both = sorted(self.named.inputs.keys() & set(self.named.outputs))
        if both:
            raise NoVariantError(f"an input and an output are both called {both[0]!r}")

    def function(self) -> Any:
        """Return a `tf.function` that takes the inputs by name and answers the outputs that are no strings."""
        import tensorflow as tf

        def answer(**inputs: "tf.Tensor") -> "Mapping[str, tf.Tensor]":
            return {name: value for name, value in self.endpoint(inputs).items() if value.dtype != tf.string}

        return tf.function(answer, autograph=False)

    def variables(self) -> Any:
        """Return a `tf.Module` of the model's variables and nothing else: a Keras model would be traced once more."""
        import tensorflow as tf

        module = tf.Module()
        module.held = [variable.value for variable in self.named.model.variables]
        return module
