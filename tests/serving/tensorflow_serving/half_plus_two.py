"""TensorFlow Serving's own kind of test model, as TensorFlow 1 wrote it: `y = x / 2 + 2`, on tf.Examples."""

from pathlib import Path

import tensorflow as tf

v1 = tf.compat.v1


def write_half_plus_two(path: Path) -> None:
    """Write signatures on examples with a feature `x`, and some that are wrong in one way each.

    `regress` and `serving_default` answer y = x / 2 + 2, `regress_3` x / 2 + 3, `classify` [y, x] with the labels
    `half` and `whole`, `scores_only` [y, x], `labels_only` its labels; `predict` takes x itself.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        half = v1.get_variable("half", initializer=0.5, use_resource=False)
        session.run(half.initializer)
        serialized = v1.placeholder(tf.string, [None], name="examples")
        x = v1.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        y = tf.add(half * x, 2.0)
        scores = tf.concat([y, x], axis=1)
        labels = tf.tile(tf.constant([["half", "whole"]]), [tf.shape(x)[0], 1])
        given = v1.placeholder(tf.float32, [None], name="given")
        other = v1.placeholder(tf.string, [None, 1], name="other")
        examples = {"inputs": serialized}
        signatures = {
            "serving_default": _signature(examples, {"outputs": y}, "regress"),
            "regress": _signature(examples, {"outputs": y}, "regress"),
            "regress_3": _signature(examples, {"outputs": y + 1.0}, "regress"),
            "classify": _signature(examples, {"classes": labels, "scores": scores}, "classify"),
            "scores_only": _signature(examples, {"scores": scores}, "classify"),
            "labels_only": _signature(examples, {"classes": labels}, "classify"),
            "odd_labels": _signature(examples, {"classes": tf.fill([tf.shape(x)[0], 1], b"\xff")}, "classify"),
            "predict": _signature({"x": given}, {"y": half * given + 2.0}, "predict"),
            "method_of_its_own": _signature(examples, {"outputs": y}, "predict"),
            "two_inputs": _signature({"inputs": serialized, "x": given}, {"outputs": y}, "regress"),
            "misnamed_output": _signature(examples, {"y": y}, "regress"),
            "two_numbers": _signature(examples, {"outputs": scores}, "regress"),
            "flat_scores": _signature(examples, {"scores": tf.squeeze(y, axis=1)}, "classify"),
            "integer_scores": _signature(examples, {"scores": tf.cast(scores, tf.int32)}, "classify"),
            "other_input": _signature({"inputs": other}, {"outputs": tf.strings.to_number(other)}, "regress"),
        }
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def _signature(inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor], method: str) -> object:
    info = v1.saved_model.build_tensor_info
    return v1.saved_model.build_signature_def(
        {name: info(tensor) for name, tensor in inputs.items()},
        {name: info(tensor) for name, tensor in outputs.items()},
        f"tensorflow/serving/{method}",
    )
