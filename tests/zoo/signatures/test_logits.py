import numpy as np
import pytest

from zoo.endpoints import Classes
from zoo.signatures.logits import are_logits

LOGITS = np.log(np.array([[1.0, 3.0], [2.0, 2.0]]))


@pytest.mark.parametrize(
    ("logits", "probabilities", "exclusive", "expected"),
    [
        (LOGITS, [[0.25, 0.75], [0.5, 0.5]], True, True),
        (LOGITS + 700, [[0.25, 0.75], [0.5, 0.5]], True, True),
        (LOGITS * 2, [[0.25, 0.75], [0.5, 0.5]], True, False),
        (LOGITS, [[1 / 2, 3 / 4], [2 / 3, 2 / 3]], False, True),  # the sigmoid of log(x) is x / (1 + x)
        (LOGITS, [[1 / 2, 3 / 4], [2 / 3, 2 / 3]], True, False),
        (LOGITS[:, :1], [[1 / 2], [2 / 3]], True, True),
        (LOGITS[:, :1], [[0.25, 0.75], [0.5, 0.5]], True, False),
    ],
)
def test_logits_are_what_the_activation_makes_probabilities_of(
    logits: np.ndarray, probabilities: list[list[float]], *, exclusive: bool, expected: bool
) -> None:
    classes = Classes(("no", "yes"), exclusive=exclusive)
    assert are_logits(logits, np.array(probabilities), classes) is expected
