"""Looking at a model: what there is to choose, what a model is made of, what it costs, and a picture of it."""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.inspection.drawing import draw
    from zoo.inspection.layer_table import LayerRow, Summary, summarize
    from zoo.inspection.multiply_adds import count_multiply_adds
    from zoo.inspection.schema import config_schema
    from zoo.inspection.timing import time_rows

__getattr__ = lazy_names(
    __name__,
    {
        "zoo.inspection.drawing": ("draw",),
        "zoo.inspection.layer_table": ("LayerRow", "Summary", "summarize"),
        "zoo.inspection.multiply_adds": ("count_multiply_adds",),
        "zoo.inspection.schema": ("config_schema",),
        "zoo.inspection.timing": ("time_rows",),
    },
)

__all__ = ["LayerRow", "Summary", "config_schema", "count_multiply_adds", "draw", "summarize", "time_rows"]
