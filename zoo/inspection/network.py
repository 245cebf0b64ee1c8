"""A model as somebody would draw it: layers that belong together in one block, repeated ones once, masks left out."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from zoo.inspection.blocks import Block, Network, readers_of
from zoo.inspection.calls import Call, calls_of, named_outputs
from zoo.inspection.folding import fold
from zoo.inspection.words import Role, role, words
from zoo.layers.transformer_block import TransformerBlock

_MERGES = {
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Concatenate": "concatenate",
    "Maximum": "maximum",
}
"""Functions of `keras.ops` that are drawn as layers of that name are."""


def network_of(model: keras.Model) -> Network:
    """Return what there is to draw of a model.

    Raises:
        ConfigError: the model has no graph of layers.
    """
    sketch = _Sketch()
    calls = calls_of(model)
    for call in calls:
        sketch.add(call)
    ends = {id(tensor): call for call, each in enumerate(calls) for tensor in each.outputs}
    for name, tensor in named_outputs(model).items():
        sketch.mark_output(ends[id(tensor)], name)
    return fold(_gathered(sketch.blocks))


class _Sketch:
    """Blocks in the making: one per call, but for what is not drawn."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._block_of: list[int | None] = []
        """By call: the block that stands for it, None where nothing does."""

    def add(self, call: Call) -> None:
        found = [self._block_of[source] for source in call.sources]
        sources = tuple(dict.fromkeys(source for source in found if source is not None))
        self._block_of.append(self._add(call, sources))

    def mark_output(self, call: int, name: str) -> None:
        number = self._block_of[call]
        if number is not None:
            block = self.blocks[number]
            self.blocks[number] = replace(block, outputs=(*block.outputs, name))

    def _add(self, call: Call, sources: tuple[int, ...]) -> int | None:
        layer = call.operation
        is_input = isinstance(layer, keras.layers.InputLayer)
        if call.outputs[0].dtype == "bool" or not (sources or is_input):
            return None  # a mask, and what is made of masks alone
        if isinstance(layer, TransformerBlock):
            return self._add_branches(call, sources)
        if not call.is_layer:
            return self._add_function(call, sources)
        if is_input:
            return self._append(Block(call.name, Role.INPUT, call.shape))
        title, details = _split(layer.name if isinstance(layer, keras.Model) else words(layer))
        return self._append(Block(title, role(layer), call.shape, sources, details, layer.count_params()))

    def _add_function(self, call: Call, sources: tuple[int, ...]) -> int:
        name = type(call.operation).__name__
        if name in _MERGES and len(sources) > 1:
            return self._append(Block(_MERGES[name], Role.MERGE, call.shape, sources))
        if call.shape == self.blocks[sources[0]].shape:
            return sources[0]  # plumbing: a cast, noise put where there is no padding
        title, details = _split(_function_in_words(call))
        return self._append(Block(title, Role.SHAPE, call.shape, sources, details))

    def _add_branches(self, call: Call, sources: tuple[int, ...]) -> int:
        """Draw what is inside: residual branches, one after the other."""
        layer: TransformerBlock = call.operation
        context = call.source_of("context")
        contexts = () if context is None else (self._block_of[context],)
        x = sources[0]
        branches = [part for part in layer.parts if getattr(layer, part) is not None]
        branches.sort(key=("attention", "cross_attention", "feed_forward").index)
        for number, part in enumerate(branches):
            branch, norm = getattr(layer, part), layer.norms[number]
            title, details = _branch_in_words(part, branch)
            normalized = words(norm)
            drops = [layer.drops[number], layer.skips[number]]
            details += tuple(words(drop) for drop in drops if drop.rate)
            count = branch.count_params()
            if layer.norm_first:
                details, count = (f"after {normalized}", *details), count + norm.count_params()
            seen = (x, *(c for c in contexts if c is not None)) if part == "cross_attention" else (x,)
            kind = Role.DENSE if part == "feed_forward" else Role.ATTENTION
            added = self._append(Block(title, kind, call.shape, seen, details, count))
            after = ((), 0) if layer.norm_first else ((normalized,), norm.count_params())
            x = self._append(Block("add", Role.MERGE, call.shape, (x, added), *after))
        return x

    def _append(self, block: Block) -> int:
        self.blocks.append(block)
        return len(self.blocks) - 1


def _branch_in_words(part: str, branch: Any) -> tuple[str, tuple[str, ...]]:
    if part == "feed_forward":
        return f"Feed-forward {branch.hidden.units}", (words(branch.activation),)
    heads = f"{branch.num_heads} heads"
    if part == "cross_attention":
        return "Cross-attention", (heads,)
    return ("Causal self-attention" if branch.causal else "Self-attention"), (heads,)


def _function_in_words(call: Call) -> str:
    key = call.arguments.get("key")
    if type(call.operation).__name__ == "GetItem" and isinstance(key, tuple) and isinstance(key[-1], int):
        return f"step {key[-1]} alone" if key[-1] >= 0 else "last step alone"
    return words(call.operation)


def _split(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a title and details: `conv 3 x 3, 32, stride 2` -> `conv 3x3 · 32`, (`stride 2`,)."""
    text = re.sub(r"(?<=\d) x (?=\d)", "\N{MULTIPLICATION SIGN}", text).replace("->", "→")
    title, *details = text.split(", ")
    if details and details[0].isdigit():
        title, details = f"{title} · {details[0]}", details[1:]
    return title, tuple(details)


def _gathered(blocks: Sequence[Block]) -> list[Block]:
    """Put norms, activations, dropout and positions into the block that they follow, or else into the one they precede."""
    kept = _put_after(blocks)
    for number in [number for number, block in kept.items() if block.role is Role.AFTER]:
        after = [other for other, block in kept.items() if number in block.sources]
        if len(after) == 1 and kept[after[0]].role in _TAKES_BEFORE and kept[after[0]].sources == (number,):
            kept[after[0]] = _preceded(kept[after[0]], kept.pop(number))
    position = {number: index for index, number in enumerate(kept)}
    return [
        replace(
            block,
            title=block.title if block.role in _LOWER_CASE else block.title[0].upper() + block.title[1:],
            role=Role.OUTPUT if block.outputs and block.role is Role.DENSE else block.role,
            sources=tuple(position[source] for source in block.sources),
        )
        for block in kept.values()
    ]


_TAKES_BEFORE = {Role.CONVOLUTION, Role.DENSE, Role.RECURRENT, Role.ATTENTION, Role.SHAPE}
_LOWER_CASE = {Role.INPUT, Role.MERGE}


def _put_after(blocks: Sequence[Block]) -> dict[int, Block]:
    """Return the blocks that stay, by number, each with those that only follow it."""
    readers = readers_of(blocks)
    stands_for = list(range(len(blocks)))
    kept: dict[int, Block] = {}
    for number, block in enumerate(blocks):
        moved = replace(block, sources=tuple(dict.fromkeys(stands_for[source] for source in block.sources)))
        follows = block.role is Role.AFTER and len(block.sources) == 1 and len(readers[block.sources[0]]) == 1
        before = moved.sources[0] if follows else number
        # After a sum they stay apart, else the last of several alike branches would differ from the others.
        if not follows or kept[before].role is Role.MERGE or kept[before].outputs:
            kept[number] = moved
        else:
            kept[before] = _followed(kept[before], moved)
            stands_for[number] = before
    return kept


def _followed(block: Block, after: Block) -> Block:
    return replace(
        block,
        details=(*block.details, *_told(after)),
        parameters=block.parameters + after.parameters,
        shape=after.shape,
        outputs=after.outputs,
    )


def _preceded(block: Block, before: Block) -> Block:
    return replace(
        block,
        details=(f"after {', '.join(_told(before))}", *block.details),
        parameters=block.parameters + before.parameters,
        sources=before.sources,
    )


def _told(block: Block) -> tuple[str, ...]:
    return () if block.title == "linear" else (block.title, *block.details)
