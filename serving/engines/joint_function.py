"""Several signatures of a SavedModel as one function, which computes once what they have in common.

Signatures of TensorFlow 2 are functions apart. Called one after the other, or from one function, each goes through the
layers anew: TensorFlow merges what is computed alike, but for what reads variables. So they are inlined into one graph
here, whose variables are read once; the rest TensorFlow merges by itself.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

_WRITES = (
    "Assign",
    "LookupTableImport",
    "LookupTableInsert",
    "LookupTableRemove",
    "ResourceApply",
    "ResourceScatter",
    "ResourceSparseApply",
)
"""How operations begin that change what the next call answers."""

Signatures = Mapping[str, Callable[..., Mapping[str, Any]]]


class NotJoinableError(Exception):
    """These signatures cannot become one function that answers as they do."""


def join(signatures: Signatures) -> Callable[..., Mapping[str, Mapping[str, Any]]]:
    """Return a function of the inputs of all signatures, which are the same, to the outputs of each.

    Takes some tenths of a second; the weights are shared with the signatures.

    Raises:
        NotJoinableError: they write variables, or TensorFlow cannot join them.
    """
    import tensorflow as tf

    try:
        together = _called_together(tf, signatures)
        graph = _inlined(together)
        writing = writing_operations(graph)
        joined = None
        if not writing:
            wanted = [tensor.name for tensor in together.outputs]
            outputs = tf.nest.pack_sequence_as(together.structured_outputs, wanted)
            joined = _as_function(tf, together, _with_variables_read_once(graph), outputs)
    except Exception as error:  # TensorFlow raises many types here
        raise NotJoinableError(str(error)) from error
    if joined is None:
        raise NotJoinableError(f"a signature writes variables or tables: {', '.join(writing)}")
    return joined


def alone(signature: Any, outputs: AbstractSet[str]) -> Callable[..., Mapping[str, Any]]:
    """Return a signature as a function of some of its outputs, and nothing in it that only others need.

    Raises:
        NotJoinableError: it writes variables, or TensorFlow cannot take it apart.
    """
    import tensorflow as tf

    names = sorted(signature.structured_outputs)
    wanted = {name: tensor.name for name, tensor in zip(names, signature.outputs, strict=True) if name in outputs}
    try:
        graph = _inlined(signature)
        writing = writing_operations(graph)
        function = None if writing else _as_function(tf, signature, _needed(graph, wanted.values()), wanted)
    except Exception as error:  # TensorFlow raises many types here
        raise NotJoinableError(str(error)) from error
    if function is None:
        raise NotJoinableError(f"it writes variables or tables: {', '.join(writing)}")
    return function


def _needed(graph: Any, tensors: Iterable[str]) -> Any:
    """Return what of a GraphDef is needed for some tensors."""
    nodes = {node.name: node for node in graph.node}
    left, needed = [_node(tensor) for tensor in tensors], set[str]()
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            left += (_node(each) for each in nodes[name].input)
    kept = _without_nodes(graph)
    kept.node.extend(node for node in graph.node if node.name in needed)
    return kept


def _without_nodes(graph: Any) -> Any:
    """Return a GraphDef of the same functions and versions."""
    bare = type(graph)()
    bare.library.CopyFrom(graph.library)
    bare.versions.CopyFrom(graph.versions)
    return bare


def _node(tensor: str) -> str:
    """Return the node that a tensor, or an input of another node, `node`, `node:1` or `^node`, comes from."""
    return tensor.removeprefix("^").partition(":")[0]


def operations(graph: Any) -> set[str]:
    """Return the kinds of operations in a GraphDef and its functions."""
    return {node.op for node in (*graph.node, *(node for each in graph.library.function for node in each.node_def))}


def writing_operations(graph: Any) -> list[str]:
    """Return the operations of a GraphDef, and of its functions, that change what the next call answers."""
    return sorted(name for name in operations(graph) if name.startswith(_WRITES))


def _called_together(tf: Any, signatures: Signatures) -> Any:
    specs = next(iter(signatures.values())).structured_input_signature[1]  # type: ignore[attr-defined]

    @tf.function(autograph=False)
    def together(**inputs: Any) -> dict[str, Mapping[str, Any]]:
        return {name: signature(**inputs) for name, signature in signatures.items()}

    return together.get_concrete_function(**specs)


def _inlined(function: Any) -> Any:
    # Private, and what `convert_variables_to_constants_v2` begins with: nothing public inlines a function.
    from tensorflow.python.framework.convert_to_constants import _run_inline_graph_optimization

    return _run_inline_graph_optimization(function, lower_control_flow=False, aggressive_inlining=True)


def _with_variables_read_once(graph: Any) -> Any:
    nodes = {node.name: node for node in graph.node}

    def origin(name: str) -> str:
        """Return where a variable's handle comes from."""
        node = nodes[_node(name)]
        return origin(node.input[0]) if node.op == "Identity" else node.name

    first: dict[tuple[str, int], str] = {}
    instead: dict[str, str] = {}
    for node in graph.node:
        if node.op == "ReadVariableOp":
            key = (origin(node.input[0]), node.attr["dtype"].type)
            if first.setdefault(key, node.name) != node.name:
                instead[node.name] = first[key]
    merged = _without_nodes(graph)
    for node in graph.node:
        if node.name not in instead:
            kept = merged.node.add()
            kept.CopyFrom(node)
            kept.input[:] = [_renamed(name, instead) for name in node.input]
    return merged


def _renamed(name: str, instead: Mapping[str, str]) -> str:
    """Return an input of a node, `node`, `node:1` or `^node`, with another node's name where it has one."""
    mark = "^" if name.startswith("^") else ""
    node, colon, index = name.removeprefix("^").partition(":")
    return f"{mark}{instead.get(node, node)}{colon}{index}"


def _as_function(tf: Any, original: Any, graph: Any, outputs: Any) -> Any:
    """Return a function of a graph that was made of another function; `outputs` are names of tensors, in any structure."""
    nodes = {node.name for node in graph.node}
    captured = {inside.name: outside for outside, inside in original.graph.captures}
    specs = original.structured_input_signature[1]
    arguments = [tensor.name for tensor in original.inputs if tensor.name not in captured]
    placeholders = dict(zip(sorted(specs), arguments, strict=True))

    @tf.function(autograph=False)
    def joined(**inputs: Any) -> Any:
        here = tf.compat.v1.get_default_graph()
        given = {name: here.capture(handle) for name, handle in captured.items()}
        given |= {placeholders[name]: tensor for name, tensor in inputs.items()}
        given = {name: tensor for name, tensor in given.items() if _node(name) in nodes}
        wanted = tf.nest.flatten(outputs)
        found = tf.graph_util.import_graph_def(graph, input_map=given, return_elements=wanted, name="")
        return tf.nest.pack_sequence_as(outputs, found)

    return joined.get_concrete_function(**specs)
