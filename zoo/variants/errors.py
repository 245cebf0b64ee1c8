"""What keeps a model from having a variant."""


class NoVariantError(Exception):
    """A converter cannot, or what it made is not good enough. The message is a clause: it follows on `no model.tflite: `."""
