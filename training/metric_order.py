"""Which way a metric gets better."""

LOWER_IS_BETTER = {"loss", "mae", "mse", "rmse", "perplexity"}


def lower_is_better(metric: str) -> bool:
    """Tell it by the metric's name, which for several heads has that of the head before it."""
    return metric.rpartition("_")[2] in LOWER_IS_BETTER
