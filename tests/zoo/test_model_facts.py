import keras
import numpy as np

from zoo.model_facts import model_facts


def test_a_perceptron_by_hand() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    )
    facts = model_facts(model)
    assert facts.trainable == (4 * 5 + 5) + 2 * 5 + (5 * 3 + 3)
    assert facts.parameters == facts.trainable + 2 * 5
    assert facts.bytes == 4 * facts.parameters
    assert facts.multiply_adds == 4 * 5 + 5 * 3


def test_what_cannot_be_looked_into_is_not_counted() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x: object) -> object:
            return self.dense(x)

    model = Own()
    model(np.zeros((1, 3), "float32"))
    facts = model_facts(model)
    assert (facts.parameters, facts.multiply_adds) == (8, None)
