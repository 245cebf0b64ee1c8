"""The model card: what a passport says, for people (Mitchell et al., 2019)."""

from zoo.card.files import CARD, PICTURE, write_card
from zoo.card.text import card_of

__all__ = ["CARD", "PICTURE", "card_of", "write_card"]
