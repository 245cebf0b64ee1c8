import numpy as np

from training.datasets.splitting import split_groups, split_shuffled, split_stratified

SIZES = {"train": 60, "validation": 20, "test": 20}


def test_stratified_splits_have_their_sizes_and_every_class_its_share() -> None:
    labels = np.repeat([0, 1], [75, 25])
    rows = split_stratified(labels, SIZES, seed=1)
    assert {name: np.bincount(labels[part]).tolist() for name, part in rows.items()} == {
        "train": [45, 15],
        "validation": [15, 5],
        "test": [15, 5],
    }
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(100))


def test_shuffled_splits_have_their_sizes_and_share_no_row() -> None:
    rows = split_shuffled(100, SIZES, seed=1)
    assert {name: len(part) for name, part in rows.items()} == SIZES
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(100))
    assert rows["test"].tolist() != list(range(80, 100))


def test_a_seed_gives_the_same_splits_every_time_and_another_seed_others() -> None:
    first, again, other = (split_shuffled(100, SIZES, seed=seed)["test"].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_group_lies_in_one_split() -> None:
    groups = np.random.default_rng(1).integers(0, 40, 200).tolist()
    rows = split_groups(groups, {"train": 0.6, "validation": 0.2, "test": 0.2}, seed=1)
    parts = {name: {groups[row] for row in part} for name, part in rows.items()}
    assert sum(map(len, parts.values())) == len(set(groups))
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(200))
    largest = max(groups.count(group) for group in groups)
    assert 40 <= len(rows["test"]) < 40 + largest
