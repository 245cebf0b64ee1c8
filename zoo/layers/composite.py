"""A layer made of other layers."""

from typing import Any, ClassVar, Self

import keras


class Composite(keras.layers.Layer):
    """Base of layers that are given others, and are saved with them: a subclass takes each of `parts` as an argument."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Names of the arguments, and attributes, that hold a layer, a list of layers, or None."""

    def get_config(self) -> dict[str, Any]:
        """Return what makes an equal layer, its parts included."""
        return {**super().get_config(), **{part: _written(getattr(self, part)) for part in self.parts}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a layer from what `get_config` returned."""
        made = {part: keras.saving.deserialize_keras_object(config[part]) for part in cls.parts}
        return cls(**{**config, **made})


def _written(part: Any) -> Any:
    if isinstance(part, list):
        return [_written(layer) for layer in part]
    written = keras.saving.serialize_keras_object(part)
    if written is not None:
        written.pop("build_config", None)  # or it would be built before, and outside of, what it is a part of
    return written
