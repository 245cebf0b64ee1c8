"""Few cases that together hold every pair of values: most faults need one or two features to show (Kuhn et al., 2004)."""

import itertools
from collections.abc import Callable, Mapping, Sequence

Case = dict[str, str]
Pair = frozenset[tuple[str, str]]


def all_pairs(factors: Mapping[str, Sequence[str]], is_valid: Callable[[Case], bool]) -> set[Pair]:
    """Return every pair of values of two factors that some case can hold."""
    return {
        frozenset({(a, x), (b, y)})
        for a, b in itertools.combinations(factors, 2)
        for x in factors[a]
        for y in factors[b]
        if _complete({a: x, b: y}, factors, is_valid, set()) is not None
    }


def pairs_of(case: Case) -> set[Pair]:
    """Return the pairs that a case holds."""
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def cover_pairs(factors: Mapping[str, Sequence[str]], is_valid: Callable[[Case], bool]) -> list[Case]:
    """Return cases that hold every pair there can be, the same every time.

    By greed: each begins with a pair that is missing still, and takes value by value what holds most others that are.

    Args:
        factors: values by factor.
        is_valid: whether a case, of which some factors may not be there yet, is possible.
    """
    missing = all_pairs(factors, is_valid)
    cases = []
    while missing:
        first = min(missing, key=sorted)
        case = _complete(dict(sorted(first)), factors, is_valid, missing)
        assert case is not None
        missing -= pairs_of(case)
        cases.append({factor: case[factor] for factor in factors})
    return cases


def _complete(
    case: Case, factors: Mapping[str, Sequence[str]], is_valid: Callable[[Case], bool], missing: set[Pair]
) -> Case | None:
    if not is_valid(case):
        return None
    left = [factor for factor in factors if factor not in case]
    if not left:
        return case

    def gain(step: tuple[str, str]) -> int:
        return sum(frozenset({step, held}) in missing for held in case.items())

    for factor, value in sorted(((left[0], value) for value in factors[left[0]]), key=gain, reverse=True):
        found = _complete({**case, factor: value}, factors, is_valid, missing)
        if found is not None:
            return found
    return None
