"""Generating with a cache of keys and values against running the whole model for every token, one round each in turn.

    python benchmarks/generation_speed.py [--rounds 7]

Both are compiled, begin with the same prompts, take the likeliest token and must write the same tokens. Without a cache the
model runs over the tokens so far, without padding; its shapes change at every step, so XLA, which a cached step is compiled
with, is of no use to it.
"""

import argparse
import json
import statistics
import time
from typing import Any

import keras
import numpy as np
from environment import RESULTS, describe

import zoo
from zoo.compiled import compiled
from zoo.generation import generate

VOCABULARY, PROMPT = 256, 16
CASES = [("gpt_tiny", 1, 48), ("gpt_tiny", 8, 48), ("gpt_small", 1, 112), ("gpt_small", 8, 112), ("gpt_small", 1, 240)]
"""Named size, rows, new tokens."""


def without_cache(run: Any, prompts: np.ndarray, new: int) -> np.ndarray:
    """Write on by running the whole model for every token."""
    ids = prompts
    for _ in range(new):
        answers = keras.ops.convert_to_numpy(run(ids)["probabilities"])[:, -1]
        answers[:, 0] = 0  # padding, which `generate` never writes either
        ids = np.concatenate([ids, answers.argmax(axis=-1).astype("int32")[:, None]], axis=1)
    return ids[:, prompts.shape[1] :]


def measure(rounds: int) -> list[dict[str, Any]]:
    """Return a row per case, with seconds per round."""
    rows: list[dict[str, Any]] = []
    for size, batch, new in CASES:
        keras.utils.set_random_seed(0)
        head = {"kind": "token", "units": VOCABULARY}
        model = zoo.build(size, input_shape=(None,), max_length=PROMPT + new, vocabulary_size=VOCABULARY, head=head)
        prompts = np.random.default_rng(1).integers(1, VOCABULARY, (batch, PROMPT)).astype("int32")
        whole = compiled(model)
        ways = {
            "cached": lambda model=model, prompts=prompts, new=new: np.array(
                generate(model, prompts, max_new_tokens=new)
            ),
            "whole": lambda whole=whole, prompts=prompts, new=new: without_cache(whole, prompts, new),
        }
        written = {name: way() for name, way in ways.items()}  # compiles
        np.testing.assert_array_equal(written["cached"], written["whole"])
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name in sorted(ways, reverse=bool(turn % 2)):
                began = time.perf_counter()
                ways[name]()
                seconds[name].append(time.perf_counter() - began)
        rows.append({"model": size, "rows": batch, "new": new, **seconds})
        print(line(rows[-1]), flush=True)
    return rows


HEADER = (
    "| model | rows | new tokens | whole model, tokens/s | cached, tokens/s | ratio (min-max) |\n"
    "|---|---|---|---|---|---|"
)


def line(row: dict[str, Any]) -> str:
    """Return a row of the table: medians, and the ratio of each pair of neighbouring rounds."""
    tokens = row["rows"] * row["new"]
    ratios = [whole / cached for whole, cached in zip(row["whole"], row["cached"], strict=True)]
    return (
        f"| {row['model']} | {row['rows']} | {row['new']} "
        f"| {tokens / statistics.median(row['whole']):,.0f} | {tokens / statistics.median(row['cached']):,.0f} "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) |"
    )


def main() -> None:
    """Measure, print and write benchmarks/results/generation_speed.{md,json}."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    facts = describe(("tensorflow", "keras")) | {"backend": keras.backend.backend()}
    print(HEADER)
    rows = measure(arguments.rounds)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "generation_speed.json").write_text(
        json.dumps({**facts, "rows": rows}, indent=1) + "\n", encoding="utf-8"
    )
    text = "\n".join(
        [
            "# Generation speed: with a cache of keys and values, and without",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- {arguments.rounds} rounds of each, in turn; medians; prompts of {PROMPT} tokens, vocabulary {VOCABULARY}",
            "- both compiled, greedy, and checked to write the same tokens; without a cache the model runs over all so far",
            "- a cached step is compiled with XLA; without a cache shapes change at every step, and it is not",
            "",
            HEADER,
            *map(line, rows),
            "",
            "`python benchmarks/generation_speed.py` measures anew.",
        ]
    )
    (RESULTS / "generation_speed.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
