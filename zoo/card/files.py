"""Where a version's card lies, and how it gets there."""

from pathlib import Path

from zoo.card.picture import draw
from zoo.card.text import card_of
from zoo.passport import Passport

CARD = Path("assets.extra") / "model_card.md"
PICTURE = Path("assets.extra") / "model_card.png"


def write_card(folder: Path, passport: Passport) -> None:
    """Write the card of a passport, and its picture where there is something to draw, into a version in the making."""
    (folder / CARD).parent.mkdir(exist_ok=True)
    picture = draw(passport)
    if picture is not None:
        (folder / PICTURE).write_bytes(picture)
    (folder / CARD).write_text(card_of(passport, picture=PICTURE.name if picture else None), encoding="utf-8")
