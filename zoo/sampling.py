"""How the next token is chosen."""

from dataclasses import dataclass
from types import NoneType

import numpy as np

from zoo.errors import ConfigError

PADDING = 0
"""The id that fills up rows of token ids; it is never chosen."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen from logits.

    Raises:
        ConfigError: a number is out of range, or has no effect.
    """

    temperature: float = 0.0
    """0 takes the likeliest token; 1 draws by the probabilities, more evenly above it, less so below."""
    top_k: int | None = None
    """Draws from so many of the likeliest tokens."""
    top_p: float | None = None
    """Draws from the likeliest, of those left by `top_k`, that together have this probability (Holtzman et al., 2019)."""

    def __post_init__(self) -> None:
        _check_type("temperature", self.temperature, (int, float))
        _check_type("top_k", self.top_k, (int, NoneType))
        _check_type("top_p", self.top_p, (int, float, NoneType))
        if not (np.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature: expected a number from 0, got {self.temperature!r}")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k: expected at least 1 token to draw from, got {self.top_k!r}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p: expected a probability above 0 and up to 1, got {self.top_p!r}")
        if self.temperature == 0 and (self.top_k is not None or self.top_p is not None):
            raise ConfigError("top_k and top_p say which tokens to draw from: give a temperature above 0 with them")

    def choose(self, logits: np.ndarray, random: np.random.Generator) -> int:
        """Choose one token by the logits of all, (vocabulary,)."""
        scores = np.array(logits, dtype="float64")
        if np.isnan(scores).any():
            raise ConfigError("the model answers NaN: its weights hold no finite numbers")
        scores[PADDING] = -np.inf
        if self.temperature == 0:
            return int(scores.argmax())
        order = np.argsort(-scores, kind="stable")[: self.top_k or scores.size]
        scores = (scores[order] - scores[order[0]]) / self.temperature
        probabilities = np.exp(scores) / np.exp(scores).sum()
        if self.top_p is not None:
            likelier = np.cumsum(probabilities) - probabilities
            probabilities[likelier >= self.top_p] = 0
            probabilities /= probabilities.sum()
        return int(random.choice(order, p=probabilities))


def _check_type(name: str, value: object, kinds: tuple[type, ...]) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ConfigError(f"{name}: expected a {'number' if float in kinds else 'whole number'}, got {value!r:.40}")
