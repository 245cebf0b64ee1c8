"""The rows that a run learnt from."""

from training.data import Dataset, load_data
from training.run import Run
from zoo.errors import ConfigError, UnknownNameError


def data_of(run: Run, data: Dataset | None, *, call: str) -> Dataset:
    """Return the data set of a run: the one given, or else the one that its config names.

    Args:
        run: the run.
        data: the data set, where the run was trained on one given in Python.
        call: how to give it, for the message, such as `training.evaluate(run, data=...)`.

    Raises:
        ConfigError: what was given is no data set.
        UnknownNameError: there is no data set of that name.
    """
    refuse_other_data(data)
    try:
        return data or load_data(run.config.data)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{error}; a run that learnt from data given in Python takes them here too: {call}"
        ) from None


def refuse_other_data(data: object) -> None:
    """Raise ConfigError for what is neither a data set nor None."""
    if data is not None and not isinstance(data, Dataset):
        raise ConfigError(
            f"expected a training.Dataset, got {type(data).__name__}: training.Dataset(name, "
            '{"train": training.Split(inputs, labels), "validation": ...})'
        )
