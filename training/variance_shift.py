"""Dropout before batch normalization, which spoils the variances that evaluation goes by.

Dropout makes the variance of what follows larger, in training alone. Batch normalization learns these as its running
variances, and finds smaller ones when nothing is dropped (Li et al., 2018, arXiv:1801.05134).
"""

import keras

_DROPS = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


def find_variance_shift(model: keras.Model) -> tuple[str, ...]:
    """Return a sentence where a model drops features before a batch normalization; empty elsewhere.

    Args:
        model: one of `zoo.build`, whose layers lie in the order in which they are applied.
    """
    dropping: str | None = None
    for layer in model.layers:
        if isinstance(layer, _DROPS) and layer.rate and dropping is None:
            dropping = layer.name
        if isinstance(layer, keras.layers.BatchNormalization) and dropping is not None:
            said = (
                f"dropout ({dropping}) before batch normalization ({layer.name}) may shift the variances that evaluation "
                "goes by: where validation stays far behind, set dropout to 0, or normalization to group (Li et al., 2018)"
            )
            return (said,)
    return ()
