"""Keras layers that Keras does not have. Importing this package lets `keras.models.load_model` find them."""

from importlib import import_module

PACKAGE = "keras_zoo"
"""What the layers are registered under, as in `keras_zoo>FunctionActivation`."""

MODULES = ("activation", "kernel_penalty", "stochastic_depth")

for _module in MODULES:
    import_module(f"{__name__}.{_module}")
