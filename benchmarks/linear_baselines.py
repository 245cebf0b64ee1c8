"""The recipes over small tables against scikit-learn's linear models, on the same folds.

    python benchmarks/linear_baselines.py                    every recipe: five folds of training each, minutes
    python benchmarks/linear_baselines.py wine_mlp
    python benchmarks/linear_baselines.py --linear-only      the linear models alone, in seconds

The linear model of a fold learns from all rows that the fold does not hold out, the recipe's validation part included.
Nothing was tuned on either side of these folds: the linear models are scikit-learn's defaults behind a StandardScaler.
"""

import argparse
import math

from zoo.tensorflow_noise import silence_tensorflow

silence_tensorflow()

import numpy as np  # noqa: E402

from training import cross_validate, load_recipe  # noqa: E402
from training.config import TrainConfig  # noqa: E402
from training.data import Dataset, load_data  # noqa: E402
from training.folds import Folds  # noqa: E402

RECIPES = {"cancer_mlp": "accuracy", "wine_mlp": "accuracy", "diabetes_mlp": "rmse"}
"""What is compared of each."""
FOLDS = 5


def main() -> None:
    """Measure, and print a line per recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "recipes", nargs="*", metavar="RECIPE", help=f"of {', '.join(RECIPES)}; all, where none is named"
    )
    parser.add_argument("--linear-only", action="store_true", help="do not train the recipes")
    parser.add_argument("--runs", default="runs", metavar="DIR")
    arguments = parser.parse_args()
    for name in arguments.recipes or RECIPES:
        if name not in RECIPES:
            parser.error(f"{name} is none of {', '.join(RECIPES)}")
        config, metric = load_recipe(name), RECIPES[name]
        data = load_data(config.data)
        linear = linear_scores(config, data)
        print(f"{name}: {metric} over {FOLDS} folds of {data.name}, mean +- standard error")
        print(f"  linear model  {_shown(linear)}")
        if arguments.linear_only:
            continue
        found = cross_validate(config, FOLDS, data=data, runs=arguments.runs)
        ours = [score[metric] for score in found.scores]
        better = np.array(ours) - linear if metric == "accuracy" else linear - np.array(ours)
        print(f"  recipe        {_shown(ours)}")
        within = better.mean() >= -_error(ours)
        print(f"  better by     {_shown(better)}: {'not ' if within else ''}worse by more than one standard error")


def linear_scores(config: TrainConfig, data: Dataset) -> list[float]:
    """Return accuracy of logistic regression, or RMSE of ridge regression, on the rows that each fold holds out."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = config.model.named_heads()[""].kind != "linear"
    scores = []
    for fold in Folds.cut(data, FOLDS, config).datasets():
        learnt = [fold.splits["train"], fold.splits["validation"]]
        inputs, labels = (np.concatenate([getattr(s, part) for s in learnt]) for part in ("inputs", "labels"))
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000) if classes else Ridge())
        model.fit(inputs.astype("float64"), labels.ravel())
        held = fold.splits["test"]
        wrong = model.predict(np.asarray(held.inputs, "float64")) - np.asarray(held.labels).ravel()
        scores.append(float(np.mean(wrong == 0)) if classes else math.sqrt(np.mean(np.square(wrong))))
    return scores


def _error(scores: object) -> float:
    values = np.asarray(scores)
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _shown(scores: object) -> str:
    values = np.asarray(scores)
    return f"{values.mean():.4f} +- {_error(values):.4f}  ({' '.join(f'{value:.4f}' for value in values)})"


if __name__ == "__main__":
    main()
