"""Makes one graph of constants of a SavedModel's signatures: done once, in a process of its own, since it takes seconds."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serving.engines.frozen_file import FrozenSignature
from serving.engines.joint_function import operations, writing_operations

_SHARED = 1024
"""Bytes from which a constant of several signatures is kept once."""
_PIECE = 256 << 10
"""Bytes from which a constant is a piece of its own."""
_CPU = "/device:CPU:0"
_CHECKS = ("Assert", "If", "StatefulPartitionedCall", "While")
"""Operations that count as stateful though they keep nothing: they check values, or call functions that may."""

Signatures = Mapping[str, Callable[..., Any]]


class NotFreezableError(Exception):
    """A signature that keeps something between calls, or reads what constants cannot hold, such as tables."""


@dataclass(frozen=True)
class Frozen:
    """What became of signatures."""

    signatures: Mapping[str, FrozenSignature]
    pieces: tuple[bytes, ...]
    """GraphDefs: constants, and then the rest."""
    refused: Mapping[str, str]
    """Why a signature is not among them."""


def freeze(signatures: Signatures) -> Frozen:
    """Freeze those of a loaded SavedModel's signatures that can be; weights that they share are kept once.

    What TensorFlow otherwise does to a graph before it first runs it is done here too.
    """
    import tensorflow as tf

    joined = _JoinedGraph(tf)
    found, refused = {}, {}
    for name, function in sorted(signatures.items()):
        try:
            found[name] = joined.add(function)
        except NotFreezableError as error:
            refused[name] = str(error)
        except Exception as error:  # noqa: BLE001 - TensorFlow raises many types here
            refused[name] = f"TensorFlow cannot freeze it: {error}"[:300]
    if not found:
        return Frozen({}, (), refused)
    definition = _optimized(tf, joined.graph, [name for each in found.values() for name in _fetched(each)])
    _drop_orders(definition)
    kept = {}
    for name, each in found.items():
        needed = _placeholders_behind(definition, _fetched(each))
        inputs = {key: tensor for key, tensor in each.inputs.items() if _node(tensor) in needed}
        if len(inputs) == len(needed):
            kept[name] = FrozenSignature(inputs, each.outputs, each.checks)
        else:
            refused[name] = "its graph cannot be told from those of other signatures"
    return Frozen(kept, tuple(_in_pieces(tf, definition)), refused)


def _fetched(signature: FrozenSignature) -> list[str]:
    return [*signature.outputs.values(), *signature.checks]


class _JoinedGraph:
    """Grows by a signature at a time; what is the same in several is in it once."""

    def __init__(self, tf: Any) -> None:
        self._tf = tf
        self.graph = tf.Graph()
        self._shared: dict[tuple[object, ...], Any] = {}

    def add(self, function: Any) -> FrozenSignature:
        """Add one, which cannot be frozen where this raises."""
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        if written := writing_operations(function.graph.as_graph_def()):
            raise NotFreezableError(f"it writes variables or tables ({', '.join(written)})")
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
        names = sorted(function.structured_input_signature[1])
        if len(frozen.inputs) > len(names):
            raise NotFreezableError("it has tables, or other things that are no weights")
        inputs = dict(zip(names, frozen.inputs, strict=True))
        outputs = dict(zip(sorted(function.structured_outputs), frozen.outputs, strict=True))
        definition = frozen.graph.as_graph_def()
        _refuse_state(definition)
        kinds = {tensor.op.name: (key, tensor.dtype.name, str(tensor.shape)) for key, tensor in inputs.items()}
        prefix = f"s{len(self.graph.get_operations())}"
        places = self._import(definition, prefix, kinds)

        def place(tensor: Any) -> str:
            return str(places[tensor.op.name].name) if tensor.op.name in places else f"{prefix}/{tensor.name}"

        return FrozenSignature(
            {key: place(tensor) for key, tensor in inputs.items()},
            {key: place(tensor) for key, tensor in outputs.items()},
            tuple(f"{prefix}/{node.name}" for node in definition.node if node.op in _CHECKS),
        )

    def _import(self, definition: Any, prefix: str, inputs: Mapping[str, tuple[str, ...]]) -> Mapping[str, Any]:
        """Import a graph but for what is there. Returns where that is, by its name in the graph."""
        keys = {node.name: key for node in definition.node if (key := _identity(node, inputs))}
        there = {name: self._shared[key] for name, key in keys.items() if key in self._shared}
        rest = self._tf.compat.v1.GraphDef(versions=definition.versions, library=definition.library)
        for node in definition.node:
            if node.name in there:
                continue
            added = rest.node.add()
            added.CopyFrom(node)
            added.attr.pop("_class", None)
            del added.input[:]
            added.input.extend(name for name in node.input if name[1:] not in there or name[0] != "^")
        used = {name for node in rest.node for name in node.input}
        with self.graph.as_default():
            self._tf.graph_util.import_graph_def(
                rest, name=prefix, input_map={name: tensor for name, tensor in there.items() if name in used}
            )
        for name, key in keys.items():
            if name not in there:
                self._shared[key] = self.graph.get_tensor_by_name(f"{prefix}/{name}:0")
        return there


def _identity(node: Any, inputs: Mapping[str, tuple[str, ...]]) -> tuple[object, ...] | None:
    """Return what makes an input or a large constant the same as another; None of anything else."""
    if node.name in inputs:
        return inputs[node.name]
    if node.op != "Const" or node.attr["value"].ByteSize() < _SHARED:
        return None
    return ("Const", hashlib.sha256(node.attr["value"].SerializeToString()).hexdigest())


def _refuse_state(definition: Any) -> None:
    from tensorflow.python.framework import op_def_registry

    functions = {each.signature.name for each in definition.library.function}
    for name in sorted(operations(definition).difference(_CHECKS, functions)):
        known = op_def_registry.get(name)
        if known is None:
            raise NotFreezableError(f"it has the operation {name}, which TensorFlow does not know")
        if known.is_stateful:
            raise NotFreezableError(f"it has the operation {name}, which keeps a state")


def _optimized(tf: Any, graph: Any, outputs: list[str]) -> Any:
    """Return a graph as TensorFlow would make it before its first run, for the processor."""
    from tensorflow.python.grappler import tf_optimizer

    definition = graph.as_graph_def()
    for nodes in (definition.node, *(function.node_def for function in definition.library.function)):
        for node in nodes:
            node.device = _CPU
    meta = tf.compat.v1.train.export_meta_graph(graph=graph, graph_def=definition)
    meta.collection_def["train_op"].node_list.value.extend(outputs)
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(config, meta)


def _drop_orders(definition: Any) -> None:
    """Forget what is to be computed before what: it matters to checks alone, where nothing keeps a state.

    What folds constants ties them to inputs in this way, and signatures that share such a constant to one another's inputs.
    """
    if any(node.op in _CHECKS for node in definition.node):
        return
    for node in definition.node:
        tied = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(tied)


def _placeholders_behind(definition: Any, outputs: Iterable[str]) -> set[str]:
    """Return the inputs that outputs depend on."""
    nodes = {node.name: node for node in definition.node}
    seen: set[str] = set()
    left = [_node(tensor) for tensor in outputs]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += map(_node, nodes[name].input)
    return {name for name in seen if nodes[name].op == "Placeholder"}


def _node(tensor: str) -> str:
    """Return the name of the operation that a tensor, or an order, is of."""
    return tensor.removeprefix("^").partition(":")[0]


def _in_pieces(tf: Any, definition: Any) -> Iterator[bytes]:
    large = {
        node.name
        for node in definition.node
        if node.op == "Const" and not node.input and node.attr["value"].ByteSize() >= _PIECE
    }
    rest = tf.compat.v1.GraphDef(versions=definition.versions, library=definition.library)
    for node in definition.node:
        if node.name in large:
            yield tf.compat.v1.GraphDef(versions=definition.versions, node=[node]).SerializeToString()
        else:
            kept = rest.node.add()
            kept.CopyFrom(node)
            del kept.input[:]
            kept.input.extend(name for name in node.input if name.removeprefix("^") not in large or name[0] != "^")
    yield rest.SerializeToString()
