import itertools

from tests.training.parity.covering import Case, all_pairs, cover_pairs, pairs_of

FACTORS = {"drink": ["tea", "water", "milk"], "sugar": ["no", "yes"], "size": ["cup", "pot"]}


def anything(case: Case) -> bool:
    return True


def no_sweet_water(case: Case) -> bool:
    return not (case.get("drink") == "water" and case.get("sugar") == "yes")


def test_every_pair_is_held_by_some_case() -> None:
    cases = cover_pairs(FACTORS, anything)
    for a, b in itertools.combinations(FACTORS, 2):
        for x, y in itertools.product(FACTORS[a], FACTORS[b]):
            assert any(case[a] == x and case[b] == y for case in cases), (x, y)


def test_fewer_cases_than_there_are_combinations() -> None:
    many = {str(factor): ["a", "b", "c"] for factor in range(6)}
    assert 9 <= len(cover_pairs(many, anything)) <= 20  # of 729; two factors of three values have 9 pairs


def test_what_cannot_be_is_left_out() -> None:
    cases = cover_pairs(FACTORS, no_sweet_water)
    assert all(map(no_sweet_water, cases))
    held = set().union(*map(pairs_of, cases))
    possible = {
        frozenset({(a, x), (b, y)})
        for a, b in itertools.combinations(FACTORS, 2)
        for x in FACTORS[a]
        for y in FACTORS[b]
        if {x, y} != {"water", "yes"}
    }
    assert held == possible == all_pairs(FACTORS, no_sweet_water)


def test_cases_are_the_same_every_time() -> None:
    assert cover_pairs(FACTORS, anything) == cover_pairs(FACTORS, anything)
