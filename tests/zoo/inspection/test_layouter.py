import itertools
from collections.abc import Callable

import keras
import pytest

import zoo
from zoo.inspection.blocks import Block, Network
from zoo.inspection.layout import Layout
from zoo.inspection.layouter import LONGEST_ROW, lay_out
from zoo.inspection.network import network_of
from zoo.inspection.words import Role

WIDTH = 100.0


def laid_out(network: Network) -> Layout:
    widths = [20.0 if block.role is Role.MERGE else WIDTH for block in network.blocks]
    labels = {number: "12 x 34" for number, block in enumerate(network.blocks) if block.sources}
    return lay_out(network, widths, labels, lambda text: 6.0 * len(text))


def chain(length: int) -> Network:
    inputs = Block("in", Role.INPUT, (1,))
    return Network((inputs, *(Block("b", Role.DENSE, (1,), (number,)) for number in range(length))))


@pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])
def test_boxes_never_overlap_and_lie_within_the_picture(name: str, example_model: Callable[[str], keras.Model]) -> None:
    made = laid_out(network_of(example_model(name)))

    for a, b in itertools.combinations(made.places, 2):
        assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top, (a, b)
    assert all(place.top >= 0 and place.bottom <= made.height and place.right <= made.width for place in made.places)


@pytest.mark.parametrize("name", [*zoo.list_architectures(), *zoo.list_models()])
def test_straight_arrows_pass_through_no_box(name: str, example_model: Callable[[str], keras.Model]) -> None:
    made = laid_out(network_of(example_model(name)))

    for arrow in made.arrows:
        for (x1, y1), (x2, y2) in itertools.pairwise(arrow.points):
            for place in made.places:
                crosses = max(x1, x2) > place.left + 1 and min(x1, x2) < place.right - 1
                crosses &= max(y1, y2) > place.top + 1 and min(y1, y2) < place.bottom - 1
                assert not crosses, (arrow, place)


def test_a_short_chain_is_one_row_from_left_to_right() -> None:
    places = laid_out(chain(4)).places

    assert {place.y for place in places} == {places[0].y}
    assert [place.x for place in places] == sorted(place.x for place in places)


def test_a_long_chain_is_broken_into_even_rows() -> None:
    made = laid_out(chain(24))
    rows = [sum(place.row == row for place in made.places) for row in range(max(p.row for p in made.places) + 1)]

    assert len(rows) > 1
    assert max(rows) - min(rows) <= 1
    assert made.width <= LONGEST_ROW


def test_a_shortcut_leads_around_the_boxes_between(residual_model: keras.Model) -> None:
    made = laid_out(network_of(residual_model))
    (arc,) = [arrow for arrow in made.arrows if arrow.is_shortcut]

    assert min(y for _, y in arc.points) < min(place.top for place in made.places)


def test_shortcuts_over_one_another_keep_apart() -> None:
    blocks = [Block("in", Role.INPUT, (1,)), *(Block("b", Role.DENSE, (1,), (n,)) for n in range(4))]
    blocks += [Block("add", Role.MERGE, (1,), (4, 1)), Block("add", Role.MERGE, (1,), (5, 0))]
    arcs = [arrow for arrow in laid_out(Network(tuple(blocks))).arrows if arrow.is_shortcut]

    assert len({min(y for _, y in arc.points) for arc in arcs}) == 2


def test_a_frame_is_around_what_is_repeated_and_nothing_else(residual_model: keras.Model) -> None:
    network = network_of(residual_model)
    made = laid_out(network)
    (frame,) = made.frames

    assert frame.times == 3
    for block, place in zip(network.blocks, made.places, strict=True):
        inside = frame.left < place.left and place.right < frame.right and frame.top < place.top < frame.bottom
        assert inside == (block.group == 0)


def test_heads_spread_evenly_around_their_features() -> None:
    features = Block("f", Role.DENSE, (1,), (0,))
    heads = [Block(f"h{n}", Role.OUTPUT, (1,), (1,), outputs=(f"h{n}",)) for n in range(3)]
    made = laid_out(Network((Block("in", Role.INPUT, (1,)), features, *heads)))

    first, second, third = sorted(place.y for place in made.places[2:])
    assert second == made.places[1].y
    assert third - second == second - first
