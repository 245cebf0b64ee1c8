from training.datasets.duplicates import find_groups


def test_case_and_punctuation_make_no_difference() -> None:
    assert find_groups(["A fine, fine film!", "Dull.", "a fine fine film"]) == [0, 1, 0]


def test_a_shared_run_of_six_words_makes_a_group() -> None:
    texts = [
        "one two three four five six and then it goes on in another way entirely",
        "so it begins, but one two three four five six",
        "one two three four five is a word too few for it to count, and the rest is different",
    ]
    assert find_groups(texts) == [0, 0, 2]


def test_shared_words_make_a_group_whatever_their_order() -> None:
    # 4 of 6 different words in common are .67; 2 of 6 are .33
    assert find_groups(["good but slow and long", "long and slow but bad", "slow and bad in parts too"]) == [0, 0, 2]


def test_groups_join_at_one_remove() -> None:
    assert find_groups(["a b c d", "x y z", "c d e f", "a b c d e f"]) == [0, 1, 0, 0]


def test_texts_without_words_are_one_another_and_no_other() -> None:
    assert find_groups(["!", "a film", "?"]) == [0, 1, 0]
