from dataclasses import replace
from pathlib import Path

from zoo.artifact import read_passport
from zoo.card import card_of
from zoo.passport import Parent, Uncertainty

FIRST_FORMAT = Path(__file__).parents[2] / "testdata" / "format_1"


def test_a_card_says_what_the_passport_says(artifact: Path) -> None:
    passport = replace(
        read_passport(artifact),
        data={
            "name": "iris", "version": "1.0.0", "licence": "CC BY 4.0; to be named: R. A. Fisher",
            "splits": {"train": 120, "test": 30},
        },
        metrics={"test": {"accuracy": 0.9667}},
        intervals={"test": {"accuracy": (0.828, 0.999)}},
        uncertainty={
            "probabilities": Uncertainty(
                "temperature+lac", 0.9, 40, (0.8,), 1.5, (0.08, 0.0123), 0.93, (0.89, 0.96), 300, 1.25
            )
        },
        parent=Parent("flowers", 3, None),
    )  # fmt: skip
    card = card_of(passport, picture="model_card.png")
    for said in (
        "# iris\n",
        "`probabilities` tells 3 classes apart: setosa, versicolor, virginica.",
        "CC BY 4.0; to be named: R. A. Fisher",
        "| accuracy | 0.9667 | [0.83, 1.00] |",
        "90% sets hold 93.0% of 300 held-out labels",
        "always the likeliest",
        "43 parameters (43 trained), 172 bytes, 35 multiply-adds per example.",
        "client.predict('iris', {'inputs': np.zeros((1, 4), \"float32\")}, timeout=5.0)",
        "Splits of few rows tell little: test (30).",
        "| began with the weights of | flowers version 3 |",
        "](model_card.png)",
    ):
        assert said in card, said


def test_text_from_elsewhere_stays_text(artifact: Path) -> None:
    data = {"name": "a|b\n# <script>`", "citation": "@misc{x,\n  author = {Y}\n}", "splits": {}}
    card = card_of(replace(read_passport(artifact), data=data))
    assert r"a\|b \# \<script\>\`" in card
    assert "\n# <script>" not in card
    assert r"@misc\{x, author = \{Y\} \}" in card


def test_odd_class_names_and_data_of_ones_own_do_no_harm(artifact: Path) -> None:
    names = ("a\nb", "$x$ ~~y~~ &lt;", "n" * 300, "\u202eright to left", *(str(i) for i in range(10_000)))
    data = {"splits": ["train"], "source": "a survey"}
    card = card_of(replace(read_passport(artifact), class_names={"probabilities": names}, data=data))
    assert r"tells 10004 classes apart: a b, \$x\$ \~\~y\~\~ \&lt;, " + "n" * 56 + " ..., right to left, 0, 1, " in card
    assert "and 9974 more." in card
    assert "Learnt from **?**" in card
    assert len(card.splitlines()) < 120


def test_a_passport_of_the_first_format_has_one(artifact: Path) -> None:
    (version,) = {path.parent.parent for path in FIRST_FORMAT.rglob("passport.json")}
    card = card_of(read_passport(version))
    assert "How good it is" not in card or "not measured" in card
    assert "How to call it" in card
