"""Rows and labels that any config can be tried with: random, and always the same."""

import numpy as np

from zoo.config import INPUT_NAME, ModelConfig, SequenceConfig, Spec
from zoo.heads import output_name

FREE_LENGTH = 7
"""How long an axis of any length is made."""
_WORDS = ("apple", "banana", "cherry", "date", "elder")


def sample_inputs(config: ModelConfig, rows: int, *, seed: int = 5) -> dict[str, np.ndarray]:
    """Return made-up rows by input name: normal numbers, token ids that are no padding, words."""
    random = np.random.default_rng(seed)
    return {name: _sample(spec, rows, _vocabulary(config, name), random) for name, spec in config.input_specs().items()}


def sample_labels(config: ModelConfig, rows: int, *, seed: int = 6) -> dict[str, np.ndarray]:
    """Return made-up labels by output name, which a model can learn by heart."""
    random = np.random.default_rng(seed)
    axes = (rows, config.steps() or FREE_LENGTH) if config.gives_sequence() else (rows,)
    labels = {}
    for name, head in config.named_heads().items():
        if head.kind in {"softmax", "token"}:
            found = random.integers(1 if head.kind == "token" else 0, head.units, axes)
        elif head.kind == "sigmoid":
            found = random.integers(0, 2, (*axes, head.units)).astype("float32")
        else:
            found = random.normal(size=(*axes, head.units)).astype("float32")
        labels[output_name(name, head.kind)] = found
    return labels


def _sample(spec: Spec, rows: int, vocabulary: int, random: np.random.Generator) -> np.ndarray:
    shape = (rows, *(FREE_LENGTH if axis is None else axis for axis in spec.shape))
    if spec.dtype == "string":
        return random.choice(np.array(_WORDS, object), shape)
    if spec.dtype == "int32":
        return random.integers(1, max(vocabulary, 2), shape).astype("int32")
    return random.normal(size=shape).astype(spec.dtype)


def _vocabulary(config: ModelConfig, name: str) -> int:
    """Return how many ids an input has; that of a decoder may have a size of its own."""
    if not isinstance(config, SequenceConfig):
        return 2
    own = None if name == INPUT_NAME else getattr(config, "target_vocabulary_size", None)
    return own or config.vocabulary_size or 2
