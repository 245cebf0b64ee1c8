from zoo.passport import Uncertainty
from zoo.uncertainty.words import interval_in_words, uncertainty_in_words


def test_an_interval_has_two_digits_of_its_width() -> None:
    assert interval_in_words((0.98123, 0.99987)) == "[0.981, 1.000]"
    assert interval_in_words((12.3456, 29.1)) == "[12, 29]"
    assert interval_in_words((0.5, 0.5)) == "[0.5000, 0.5000]"


def test_what_was_measured_is_one_line() -> None:
    sets = Uncertainty("temperature+lac", 0.9, 40, (0.8,), 1.5, (0.08, 0.0123), 0.93, (0.89, 0.96), 300, 1.25)
    assert uncertainty_in_words(sets) == (
        "90% sets hold 93.0% of 300 held-out labels [0.890, 0.960], 1.25 classes on average; "
        "temperature 1.5: calibration error 0.080 before it, 0.012 after it"
    )
    assert uncertainty_in_words(Uncertainty("split", 0.8, 40, (1.0,))) == "80% intervals"
    assert uncertainty_in_words(Uncertainty("temperature", 0.8, 40, (), 0.5)) == "temperature 0.5"
