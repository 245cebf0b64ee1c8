"""What each process of a proof does: `python -m training.proof.worker FOLDER STRATEGY [TRIAL ...]`."""

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

from zoo.errors import ZooError
from zoo.tensorflow_noise import silence_tensorflow

CONFIG = "config.yaml"
DATA = "data.pickle"
ROUNDED = "rounded"
"""The trial whose rows count for 1 give or take a last bit."""
REFUSED = 2


def main(folder: str, strategy: str, *trials: str) -> int:
    """Run trials one after the other; each leaves `<trial>.npz`. Returns the exit code."""
    silence_tensorflow()
    import keras

    from training.config import StrategyConfig, TrainConfig
    from training.proof.shortened import with_rounding
    from training.proof.trial import run_trial

    place = Path(folder)
    written = TrainConfig.from_yaml((place / CONFIG).read_text(encoding="utf-8"))
    config = written.model_copy(update={"strategy": StrategyConfig.parse(json.loads(strategy))})
    with (place / DATA).open("rb") as file:
        data = pickle.load(file)  # noqa: S301 - written a moment ago by the process that started this one
    for trial in trials:
        rows = data
        if trial == ROUNDED:
            rounded = with_rounding(data.split("train"), seed=config.seed)
            rows = replace(data, splits={**data.splits, "train": rounded})
        try:
            found = run_trial(config, rows, place / "runs" / trial)
        except ZooError as error:
            sys.stderr.write(f"{error}\n")
            return REFUSED
        if found is not None:
            found.save(place / f"{trial}.npz")
        keras.backend.clear_session()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
