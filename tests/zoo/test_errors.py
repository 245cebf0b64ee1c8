import pytest

from zoo.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    ExportError,
    NotAdaptedError,
    RegistrationError,
    StreamError,
    UnknownNameError,
    ZooError,
    did_you_mean,
)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError, ValueError),
        (UnknownNameError, LookupError),
        (RegistrationError, ValueError),
        (ExportError, ValueError),
        (StreamError, ValueError),
        (NotAdaptedError, RuntimeError),
        (ArtifactError, Exception),
        (DataError, Exception),
    ],
)
def test_an_error_is_a_zoo_error_and_its_builtin(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, ZooError)
    assert issubclass(error, builtin)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("unit", ["units", "activation"], "did you mean 'units'? known: activation, units"),
        ("zebra", ["units", "activation"], "known: activation, units"),
        ("zebra", [], "there are none"),
    ],
)
def test_the_hint_names_the_nearest_and_all_known(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint
