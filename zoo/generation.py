"""Generating: a model writes on, token by token.

State: compiled parts are kept for as long as their model lives. Threads may generate at once.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

from zoo.builders.transformer_config import DECODER_INPUT
from zoo.compiled import Tensors, compiled
from zoo.config import INPUT_NAME
from zoo.decoding import DecodingModels, decoding_models
from zoo.errors import ConfigError
from zoo.prompts import check_prompt, check_room, check_token, pad_prompts, pad_sources
from zoo.sampling import Sampling

Run = Callable[[Tensors], dict[str, Any]]
Choose = Callable[[np.ndarray], list[int]]


class Decoder:
    """The compiled parts of a model that generates; see `DecodingModels` for what goes in and comes out."""

    def __init__(self, models: DecodingModels) -> None:
        """Make both ready to be compiled, at their first call."""
        self.models = models
        self.prefill: Run = compiled(models.prefill)
        self.decode: Run = compiled(models.decode, few_shapes=True)


_decoders: WeakKeyDictionary[keras.Model, Decoder] = WeakKeyDictionary()
_lock = threading.Lock()


def decoder_of(model: keras.Model) -> Decoder:
    """Return the compiled parts of a model, made when first asked for. Raises ConfigError as `decoding_models` does."""
    with _lock:
        if model not in _decoders:
            _decoders[model] = Decoder(decoding_models(model))
        return _decoders[model]


def generate(
    model: keras.Model,
    prompts: Sequence[Any],
    *,
    max_new_tokens: int,
    start_id: int | None = None,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop_id: int | None = None,
    seed: int | None = None,
) -> list[np.ndarray]:
    """Let a causal or seq2seq transformer write on.

    Example:
        >>> import zoo
        >>> from zoo.generation import generate
        >>> model = zoo.build("gpt_tiny", input_shape=(16,), vocabulary_size=64, head={"kind": "token", "units": 64})
        >>> [len(tokens) for tokens in generate(model, [[5, 7], [11]], max_new_tokens=3)]
        [3, 3]

    Args:
        model: as built by `zoo.build`, or as loaded from its `.keras` file.
        prompts: the token ids of each row, of any lengths; for seq2seq the sources, each as the model's `inputs` takes
            it, or shorter.
        max_new_tokens: how many tokens a row gets at most.
        start_id: for seq2seq alone: the token that every target begins with.
        temperature: 0 takes the likeliest token at each step; above it tokens are drawn.
        top_k: draws from so many of the likeliest tokens.
        top_p: draws from the likeliest tokens that together have at least this probability.
        stop_id: a row ends before this token.
        seed: makes what is drawn the same every time. What a row draws does not depend on the rows beside it.

    Returns:
        The new tokens of each row, int32, without prompt and `stop_id`; fewer than `max_new_tokens` where it stopped.

    Raises:
        ConfigError: the model does not generate; a prompt is empty, too long, or holds padding or an id that is none; an
            option is out of range.
    """
    decoder = decoder_of(model)
    vocabulary, room = decoder.models.vocabulary, decoder.models.max_length
    sampling = Sampling(temperature, top_k, top_p)
    if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
        raise ConfigError(f"seed: expected a whole number from 0, got {seed!r}")
    if stop_id is not None:
        check_token("stop_id", stop_id, vocabulary)
    if not len(prompts):
        return []
    given: dict[str, Any] = {}
    if decoder.models.has_source:
        if start_id is None:
            raise ConfigError("start_id: is required by a seq2seq model, the token that every target begins with")
        check_token("start_id", start_id, vocabulary)
        rows = [np.array([start_id])] * len(prompts)
        given[INPUT_NAME] = pad_sources(prompts, decoder.models.prefill.input[INPUT_NAME])
    else:
        if start_id is not None:
            raise ConfigError(f"start_id belongs to seq2seq models, got {start_id}: begin every prompt with it")
        rows = [check_prompt(number, prompt, vocabulary) for number, prompt in enumerate(prompts)]
    check_room(rows, max_new_tokens, room)
    given[DECODER_INPUT if decoder.models.has_source else INPUT_NAME] = pad_prompts(rows, room)
    base = secrets.randbits(64) if seed is None else seed
    randoms = [np.random.default_rng([base, number]) for number in range(len(rows))]

    def choose(logits: np.ndarray) -> list[int]:
        return [sampling.choose(row, random) for row, random in zip(logits, randoms, strict=True)]

    state = decoder.prefill(given)
    return _write_on(decoder, state, np.array([len(row) for row in rows], "int32"), choose, stop_id, max_new_tokens)


def _write_on(
    decoder: Decoder, state: Tensors, positions: np.ndarray, choose: Choose, stop_id: int | None, most: int
) -> list[np.ndarray]:
    """Return the new tokens of each row: the first by the logits in `state`, a further one after each `decode`."""
    written: list[list[int]] = [[] for _ in positions]
    ended = [False] * len(positions)
    for left in reversed(range(most)):
        chosen = choose(keras.ops.convert_to_numpy(state["logits"]))
        for row, token in enumerate(chosen):
            ended[row] = ended[row] or token == stop_id
            if not ended[row]:
                written[row].append(token)
        if all(ended) or not left:
            break
        kept = {name: value for name, value in state.items() if name != "logits"}
        tokens = np.array(chosen, "int32")[:, None]
        state = {**kept, **decoder.decode({**kept, INPUT_NAME: tokens, "positions": positions})}
        positions = positions + 1
    return [np.array(tokens, "int32") for tokens in written]
