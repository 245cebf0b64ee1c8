"""What the weights of a unit must fulfil after every step."""

from typing import Self

from pydantic import model_validator

from zoo.config.choice import Choice


class ConstraintConfig(Choice):
    """A constraint: any name of `keras.constraints`, or a registered class of yours.

    Arguments are those of the class, {kind: max_norm, max_value: 3}; `axis` is found by itself.
    """

    @model_validator(mode="after")
    def _exists(self) -> Self:
        from zoo.regularization import check_constraint

        check_constraint(self)
        return self
