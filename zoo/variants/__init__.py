"""Variants of an artifact: the model once more, in files that are smaller, faster or need no TensorFlow.

Nothing of TensorFlow is imported before something is converted or run.
"""

from zoo.variants.names import VariantName

__all__ = ["VariantName"]
