"""`predict_set` and `predict_interval`: answers that say how sure they are."""

from collections.abc import Iterator

import tensorflow as tf

from zoo.endpoints import Endpoint, Tensors, run, sibling, with_classes
from zoo.errors import ExportError
from zoo.heads import logits_name, logits_of, scoped
from zoo.passport import Uncertainty
from zoo.signatures.logits import are_logits
from zoo.signatures.signature import Signature
from zoo.signatures.subject import Subject
from zoo.uncertainty.answers import interval_answers, set_answers

PREDICT_SET = "predict_set"
PREDICT_INTERVAL = "predict_interval"


def uncertain(subject: Subject) -> Iterator[Signature]:
    """Give `predict_set` for the outputs of probabilities that were calibrated, `predict_interval` for those of values.

    `predict_set` answers `set` bool (N, classes), `set_size` int64 (N,), calibrated `probabilities` float32 (N, units),
    `class_id` int64 (N,) and `label` string (N,); of labels that do not exclude each other only `probabilities`.
    `predict_interval` answers `value`, `lower` and `upper`, each (N, units).

    Raises:
        ExportError: there is no such output, or its logits are not known.
    """
    for output in subject.uncertainty:
        if output not in subject.answers:
            raise ExportError(
                f"uncertainty is given of {output!r}, which is no output: expected {', '.join(subject.answers)}"
            )
    sets = {output: found for output, found in subject.uncertainty.items() if output in subject.classes}
    if sets:
        ranges = dict.fromkeys(sets, (0.0, 1.0))
        for output, found in sets.items():
            last = len(subject.classes[output].labels) - 1
            ranges |= {sibling(output, "class_id"): (0, last)} if subject.classes[output].exclusive else {}
            ranges |= {sibling(output, "set_size"): (1, last + 1)} if found.threshold else {}
        yield Signature(PREDICT_SET, _sets(subject, sets), subject.named.specs(), golden=subject.few(), ranges=ranges)
    values = {output: found for output, found in subject.uncertainty.items() if output not in sets}
    if values:
        yield Signature(PREDICT_INTERVAL, _intervals(subject, values), subject.named.specs(), golden=subject.few())


def _sets(subject: Subject, sets: dict[str, Uncertainty]) -> Endpoint:
    logits = _logits(subject, sets)

    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        found, outputs = logits(inputs), dict[str, tf.Tensor]()
        for output, uncertainty in sets.items():
            answers = set_answers(found[logits_name(output)], uncertainty)
            outputs |= {sibling(output, name): value for name, value in answers.items()}
        return outputs

    return with_classes(answer, {output: subject.classes[output] for output in sets})


def _logits(subject: Subject, sets: dict[str, Uncertainty]) -> Endpoint:
    named = subject.named
    tensors = {
        logits_name(output): tensor
        for key, tensor in logits_of(named.model).items()
        if (output := named.output_of(key)) in sets and named.computes(tensor)
    }
    found = run(lambda inputs: named.with_parts(inputs, tensors)[1], subject.rows) if tensors else {}
    for output in sets:
        name = logits_name(output)
        if name not in found or not are_logits(found[name], subject.answers[output], subject.classes[output]):
            raise ExportError(
                f"uncertainty is given of {output!r}, whose logits are not known: a layer before its activation has to be "
                f"called {name!r}"
            )
    return subject.part(tensors)


def _intervals(subject: Subject, values: dict[str, Uncertainty]) -> Endpoint:
    def answer(inputs: Tensors) -> dict[str, tf.Tensor]:
        found, outputs = subject.serve(inputs), dict[str, tf.Tensor]()
        for output, uncertainty in values.items():
            head = output.removesuffix("value").removesuffix("_")  # `value`, `<head>_value`, or a name from elsewhere
            answers = interval_answers(found[output], uncertainty)
            outputs |= {output if name == "value" else scoped(head, name): x for name, x in answers.items()}
        return outputs

    return answer
