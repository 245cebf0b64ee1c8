"""Which function follows a linear layer."""

from typing import Any, Self

from pydantic import model_validator

from zoo.config.choice import Choice


class ActivationConfig(Choice):
    """An activation: any name of `keras.activations`, `prelu`, or a registered function of yours.

    Arguments are those of the function: {kind: leaky_relu, negative_slope: 0.1}. In Python a function may be given itself.
    """

    @model_validator(mode="before")
    @classmethod
    def _name_of_function(cls, data: Any) -> Any:
        if callable(data):
            from zoo.activations import name_of

            return {"kind": name_of(data)}
        return data

    @model_validator(mode="after")
    def _exists(self) -> Self:
        from zoo.activations import check_activation

        check_activation(self)
        return self
