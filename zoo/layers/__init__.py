"""Keras layers that Keras does not have. Importing this package lets `keras.models.load_model` find them."""

from importlib import import_module

PACKAGE = "keras_zoo"
"""What the layers are registered under, as in `keras_zoo>FunctionActivation`."""

MODULES = (
    "activation",
    "attention",
    "attention_pooling",
    "cached_blocks",
    "category_lookup",
    "class_token",
    "context_cache",
    "feature_normalization",
    "feed_forward",
    "kernel_penalty",
    "masked_mean",
    "padding_mask",
    "patches",
    "position_embedding",
    "recurrent",
    "spectrogram",
    "step_normalization",
    "stochastic_depth",
    "tokenization",
    "transformer_block",
)

for _module in MODULES:
    import_module(f"{__name__}.{_module}")
