"""`zoo card`."""

import argparse
from pathlib import Path


def card_command(parser: argparse.ArgumentParser) -> None:
    """Print the model card of an exported model, for people."""
    parser.add_argument("path", type=Path, help="a version folder, or a model folder for its newest version")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write it there, and its picture beside it")
    parser.set_defaults(run=_card)


def _card(options: argparse.Namespace) -> int:
    from zoo.artifact import find_version, read_passport
    from zoo.card.picture import draw
    from zoo.card.text import card_of

    passport = read_passport(find_version(options.path))
    if options.to is None:
        print(card_of(passport), end="")
        return 0
    picture = draw(passport)
    beside = options.to.with_suffix(".png")
    options.to.write_text(card_of(passport, picture=beside.name if picture else None), encoding="utf-8")
    print(options.to)
    if picture:
        beside.write_bytes(picture)
        print(beside)
    return 0
