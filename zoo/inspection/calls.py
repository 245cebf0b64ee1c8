"""A functional model as the calls it is made of."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from zoo.errors import ConfigError

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer, or of a function of `keras.ops`; a layer that is used twice is called twice."""

    operation: Any
    arguments: Mapping[str, Any]
    """What it was called with, by the name of the parameter: tensors, lists of them, numbers."""
    sources: tuple[int, ...]
    """The calls that its tensors come from, by number: one for each of `inputs`."""
    inputs: tuple[keras.KerasTensor, ...]
    """Its tensors, in the order of its arguments."""
    outputs: tuple[keras.KerasTensor, ...]

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.operation.name)

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer, rather than a function."""
        return isinstance(self.operation, keras.Layer)

    def source_of(self, argument: str) -> int | None:
        """Return which call an argument comes from; None where it was not given a tensor."""
        given = self.arguments.get(argument)
        return next((source for source, x in zip(self.sources, self.inputs, strict=True) if x is given), None)

    @property
    def shape(self) -> Shape:
        """Shape of what comes out, of the first tensor where there are several, without the batch."""
        return tuple(self.outputs[0].shape[1:])


def calls_of(model: keras.Model) -> list[Call]:
    """Return the calls in an order in which each comes after what it needs, and a branch is not torn apart.

    Raises:
        ConfigError: the model is not made of layers that call each other, or was not built.
    """
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise ConfigError(
            f"{model.name!r} is a {type(model).__name__} without a graph of layers: only functional and built sequential "
            "models can be looked into"
        )
    nodes = _in_order([_node_of(tensor) for tensor in model.outputs])
    number = {id(node): index for index, node in enumerate(nodes)}
    return [_call(node, number) for node in nodes]


def named_outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return what a model gives, by name; by the name of the layer where it has none."""
    named = None if isinstance(model, keras.Sequential) else model.output
    if isinstance(named, dict) and all(isinstance(tensor, keras.KerasTensor) for tensor in named.values()):
        return dict(named)
    return {str(_node_of(tensor).operation.name): tensor for tensor in model.outputs}


def _node_of(tensor: keras.KerasTensor) -> Any:
    # Keras keeps its graph in private attributes; its own plot_model reads them too.
    history = tensor._keras_history  # noqa: SLF001
    return history.operation._inbound_nodes[history.node_index]  # noqa: SLF001


def _sources(node: Any) -> list[Any]:
    return [_node_of(tensor) for tensor in node.arguments.keras_tensors]


def _in_order(ends: list[Any]) -> list[Any]:
    """Return the nodes that lead to `ends`, each after its sources, and the nodes of a branch together.

    Of several sources, one that leads to another (an encoder, to every block of a decoder) goes first; else the longest.
    """
    before = _ancestors(ends)

    def in_turn(sources: list[Any]) -> list[Any]:
        nested = any(id(a) in before[id(b)] for a in sources for b in sources)
        return sorted(sources, key=lambda source: len(before[id(source)]), reverse=not nested)

    ordered: dict[int, Any] = {}
    stack = [(node, False) for node in reversed(ends)]
    while stack:
        node, ready = stack.pop()
        if id(node) in ordered:
            continue
        if ready:
            ordered[id(node)] = node
            continue
        stack.append((node, True))
        stack.extend((source, False) for source in reversed(in_turn(_sources(node))))
    return list(ordered.values())


def _ancestors(ends: list[Any]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    stack = list(ends)
    while stack:
        node = stack[-1]
        sources = _sources(node)
        missing = [source for source in sources if id(source) not in found]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        found[id(node)] = {id(source) for source in sources}.union(*(found[id(source)] for source in sources))
    return found


def _call(node: Any, number: Mapping[int, int]) -> Call:
    tensors = tuple(node.arguments.keras_tensors)
    return Call(
        operation=node.operation,
        arguments=_by_name(node),
        sources=tuple(number[id(source)] for source in _sources(node)),
        inputs=tensors,
        outputs=tuple(node.outputs),
    )


def _by_name(node: Any) -> dict[str, Any]:
    arguments = node.arguments
    try:
        bound = inspect.signature(node.operation.call).bind_partial(*arguments.args, **arguments.kwargs)
    except TypeError:  # a function that hides its parameters
        return dict(arguments.kwargs)
    return dict(bound.arguments)
