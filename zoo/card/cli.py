"""`zoo card`."""

import argparse
from pathlib import Path


def card_command(parser: argparse.ArgumentParser) -> None:
    """Print the model card of an exported model, for people."""
    parser.add_argument(
        "path", type=Path, help="a version folder, or a model folder for its newest version; with --index, a repository"
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write it there, and its picture beside it")
    parser.add_argument("--index", action="store_true", help="a page on every model of a repository instead")
    parser.set_defaults(run=_card)


def _card(options: argparse.Namespace) -> int:
    if options.index:
        return _index(options)
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


def _index(options: argparse.Namespace) -> int:
    from zoo.card.index import index_of
    from zoo.errors import ArtifactError

    if not options.path.is_dir():
        raise ArtifactError(f"{options.path} is no folder of models")
    text = index_of(options.path)
    if options.to is None:
        print(text, end="")
    else:
        options.to.write_text(text, encoding="utf-8")
        print(options.to)
    return 0
