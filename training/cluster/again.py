"""How to start workers again, in words: those of `zoo launch` are told other ones than those started by hand."""

import os

LAUNCHED = "KERAS_ZOO_LAUNCHED"
"""Set by `zoo launch` in the environment of the processes that it starts."""


def is_launched() -> bool:
    """Tell whether `zoo launch` started this process, and starts it again where that helps."""
    return bool(os.environ.get(LAUNCHED))


def how_to_go_on() -> str:
    """Return what a person does to go on with a job that was stopped."""
    if is_launched():
        return "give the same command again, with --resume"
    return "start all workers again, with --resume"
