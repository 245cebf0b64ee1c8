"""Where the trained model goes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from zoo.config import Config
from zoo.config.base import Listed
from zoo.variants import VariantName

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""Becomes the name of a folder, and of the served model."""


class ExportConfig(Config):
    """Where the trained model goes."""

    repository: str = "saved_models"
    name: Name | None = None
    """The served model's name; None is the recipe's."""
    coverage: Annotated[float, Field(gt=0, lt=1)] | None = 0.9
    """The share of new rows whose label is to be in a prediction set or interval; these are fitted on the `calibration`
    split of the data, where there is one. Null fits none."""
    measure: bool = True
    """Whether to time the model's answers on this machine and write that into the passport."""
    variants: Annotated[tuple[VariantName, ...], Listed] = ("litert",)
    """Files with the same model beside the SavedModel: see docs/artifact.md."""
