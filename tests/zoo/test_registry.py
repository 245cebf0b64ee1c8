import json
from collections.abc import Callable
from typing import Any

import keras
import pytest

import zoo
from zoo.registry import get

FAMILIES = ["cnn", "gru", "lstm", "mlp", "transformer"]
SOFTMAX = {"kind": "softmax", "units": 3}

SHOUTY = '''
from typing import Literal

import keras

from zoo.config import ModelConfig
from zoo.registry import register, register_model


class ShoutyConfig(ModelConfig):
    """A linear model that multiplies its input."""

    architecture: Literal["shouty"]
    loudness: float = 2.0


@register("shouty", ShoutyConfig, example={"input_shape": (3,), "head": {"kind": "linear"}})
def shouty_backbone(x, config):
    return keras.layers.Rescaling(config.loudness)(x)


register_model("shouty_loud", architecture="shouty", loudness=11.0)
'''


def test_the_example_of_the_readme_has_13002_parameters() -> None:
    model = zoo.build(
        "mlp", input_shape=(784,), units=[16, 16], activation="relu", head={"kind": "softmax", "units": 10}
    )

    assert model.count_params() == (784 * 16 + 16) + (16 * 16 + 16) + (16 * 10 + 10) == 13002


def test_an_mlp_3_4_1_has_21_parameters() -> None:
    model = zoo.build("mlp", input_shape=(3,), units=[4], head={"kind": "sigmoid"})

    assert model.count_params() == (3 * 4 + 4) + (4 * 1 + 1) == 21


def test_the_architectures_are_listed_sorted() -> None:
    assert zoo.list_architectures() == FAMILIES


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("cnn_*", ["cnn_separable_small", "cnn_small", "cnn_tiny"]),
        ("mlp_tiny", ["mlp_tiny"]),
        ("m?p_[st]*", ["mlp_small", "mlp_tiny"]),
        ("MLP*", []),
        ("", []),
    ],
)
def test_models_are_listed_by_wildcard(pattern: str, names: list[str]) -> None:
    assert zoo.list_models(pattern) == names


def test_every_model_is_of_one_family() -> None:
    found = [name for family in FAMILIES for name in zoo.list_models(family=family)]

    assert sorted(found) == zoo.list_models()
    assert {"mlp_residual_small", "mlp_small", "mlp_tiny"} == set(zoo.list_models(family="mlp"))


def test_models_are_listed_by_the_heads_that_they_can_carry() -> None:
    found = zoo.list_models("*_tiny", head="token")

    assert {"gpt_tiny", "seq2seq_tiny"} <= set(found)
    assert not {"mlp_tiny", "cnn_tiny", "vit_tiny"} & set(found)
    assert zoo.list_models(head="softmax") == zoo.list_models()


def test_models_are_listed_by_tag() -> None:
    assert {"cnn_tiny", "mlp_tiny", "resnet_tiny"} <= set(zoo.list_models(tag="image"))
    assert set(zoo.list_models(tag="residual")) == {"mlp_residual_small", "resnet_small", "resnet_tiny"}
    assert zoo.tags_of("resnet_tiny") == ("image", "residual", "series")


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"family": "mpl"}, "unknown architecture 'mpl'; did you mean 'mlp'"),
        ({"head": "sotfmax"}, "unknown kind of head 'sotfmax'; did you mean 'softmax'"),
        ({"tag": "imgae"}, "unknown tag 'imgae'; did you mean 'image'"),
    ],
)
def test_an_unknown_filter_is_refused_with_the_nearest_name(filters: dict[str, str], message: str) -> None:
    with pytest.raises(zoo.UnknownNameError, match=message):
        zoo.list_models(**filters)


@pytest.mark.parametrize("name", ["mlp", "cnn_small", "gpt_tiny"])
def test_an_example_is_a_whole_config(name: str) -> None:
    config = zoo.example_config(name)

    assert zoo.ModelConfig.from_yaml(config.to_yaml()) == config


def test_the_example_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(zoo.ConfigError, match="unknown architecture 'mlp_tny'; did you mean 'mlp_tiny'"):
        zoo.example_config("mlp_tny")


def test_a_named_size_resolves_to_the_plain_config() -> None:
    fields = {"input_shape": [8, 8, 1], "head": SOFTMAX}
    named = zoo.ModelConfig.parse({"architecture": "cnn_tiny", **fields})

    assert named == zoo.ModelConfig.parse({"architecture": "cnn", "filters": [16, 32], **fields})
    assert named.architecture == "cnn"


def test_a_field_given_beside_a_named_size_wins() -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp_tiny", "units": [9], "input_shape": [3], "head": SOFTMAX})

    assert config.to_dict()["units"] == [9]


NORMALIZED = {"input_shape": [4], "head": {"kind": "linear"}}


def test_a_former_name_of_a_field_wins_over_the_choice_of_a_named_size() -> None:
    with pytest.warns(zoo.DeprecatedNameWarning, match="is now called 'normalization'"):
        config = zoo.ModelConfig.parse(
            {**NORMALIZED, "architecture": "mlp_residual_small", "regularization": {"batch_norm": False}}
        )

    assert zoo.model_fields("mlp_residual_small")["regularization"] == {"normalization": "batch"}
    assert config.regularization.normalization is None


@pytest.mark.parametrize("given", [{"dropout": 0.5}, zoo.RegularizationConfig(dropout=0.5)], ids=["dict", "config"])
def test_what_is_given_of_the_regularization_joins_that_of_a_named_size(given: Any) -> None:
    config = zoo.ModelConfig.parse({**NORMALIZED, "architecture": "mlp_residual_small", "regularization": given})

    assert config.regularization == zoo.RegularizationConfig(dropout=0.5, normalization="batch")


def test_a_default_that_is_given_wins_over_the_choice_of_a_named_size() -> None:
    given = zoo.RegularizationConfig(normalization=None)
    config = zoo.ModelConfig.parse({**NORMALIZED, "architecture": "mlp_residual_small", "regularization": given})

    assert config.regularization.normalization is None


@pytest.mark.parametrize("name", ["mlp_tiny", "mlp_small", "cnn_tiny", "cnn_small"])
def test_every_named_size_builds(name: str) -> None:
    assert zoo.build(name, input_shape=(8, 8, 1), head=SOFTMAX).output["probabilities"].shape == (None, 3)


def test_what_a_named_size_stands_for_can_be_asked() -> None:
    assert zoo.model_fields("mlp_tiny") == {"architecture": "mlp", "units": (16, 16)}


def test_changing_the_answer_does_not_change_the_named_size() -> None:
    zoo.model_fields("mlp_tiny")["units"] = (1,)

    assert zoo.model_fields("mlp_tiny")["units"] == (16, 16)


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(zoo.UnknownNameError, match="unknown model 'mlp_tniy'; did you mean 'mlp_tiny'"):
        zoo.model_fields("mlp_tniy")


def test_an_unknown_architecture_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(zoo.UnknownNameError, match="unknown architecture 'ccn'; did you mean 'cnn'"):
        get("ccn")


def test_building_an_unknown_architecture_is_a_config_error() -> None:
    with pytest.raises(zoo.ConfigError, match="unknown architecture 'mlp_tin'; did you mean 'mlp_tiny'"):
        zoo.build("mlp_tin", input_shape=(3,), head=SOFTMAX)


@pytest.mark.parametrize("name", ["mlp", "cnn_tiny"])
def test_registering_an_architecture_under_a_taken_name_is_an_error(name: str) -> None:
    backbone = get("mlp").backbone

    with pytest.raises(zoo.RegistrationError, match=f"'{name}' is registered already"):
        zoo.register(name, zoo.ModelConfig, example={})(backbone)


@pytest.mark.parametrize("name", ["mlp", "cnn_tiny"])
def test_registering_a_model_under_a_taken_name_is_an_error(name: str) -> None:
    zoo.list_models()  # fills the registry

    with pytest.raises(zoo.RegistrationError, match=f"'{name}' is registered already"):
        zoo.register_model(name, architecture="mlp", units=(1,))


def test_build_takes_a_config() -> None:
    config = zoo.ModelConfig.parse(
        {"architecture": "mlp", "input_shape": [3], "units": [4], "head": {"kind": "sigmoid"}}
    )

    assert zoo.build(config).count_params() == 21


def test_build_refuses_fields_beside_a_config() -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [3], "head": SOFTMAX})

    with pytest.raises(zoo.ConfigError, match="a config or fields, not both; got a config and units"):
        zoo.build(config, units=[3])


def test_the_result_is_an_ordinary_keras_model() -> None:
    model = zoo.build("mlp", input_shape=(3,), head=SOFTMAX)

    assert isinstance(model, keras.Model)
    assert [tensor.name for tensor in model.inputs] == ["inputs"]


def test_a_registered_architecture_is_listed_and_builds(run_python: Callable[..., Any]) -> None:
    run = run_python(
        SHOUTY
        + """
import json
import numpy as np
import zoo

model = zoo.build("shouty_loud", input_shape=(2,), head={"kind": "linear"})
model.set_weights([np.array([[1.0], [10.0]]), np.array([0.5])])
answer = model(np.array([[1.0, 2.0]]))["value"]
print(json.dumps([zoo.list_architectures(), zoo.list_models("shouty*"), float(answer[0, 0])]))
""",
        KERAS_BACKEND="jax",
    )

    # by hand: 1 times 1 plus 2 times 10, eleven times as loud, plus a bias of a half
    assert json.loads(run.stdout) == [sorted([*FAMILIES, "shouty"]), ["shouty_loud"], 231.5], run.stderr


def test_the_architecture_of_an_installed_package_is_found(
    run_python: Callable[..., Any], install: Callable[..., str]
) -> None:
    site = install("shouty", source=SHOUTY, entry_points="[zoo.architectures]\nshouty = shouty\n")

    run = run_python(
        "import zoo; print(zoo.list_architectures(), zoo.list_models('sh*'))", PYTHONPATH=site, KERAS_BACKEND="jax"
    )

    assert run.stdout.strip() == f"{sorted([*FAMILIES, 'shouty'])} ['shouty_loud']", run.stderr


def test_a_package_that_cannot_be_imported_does_not_hide_the_others(
    run_python: Callable[..., Any], install: Callable[..., str]
) -> None:
    site = install("shouty", source="import nowhere_to_be_found", entry_points="[zoo.architectures]\nshouty = shouty\n")

    run = run_python("import zoo; print(zoo.list_architectures())", PYTHONPATH=site, KERAS_BACKEND="jax")

    assert run.stdout.strip() == str(FAMILIES)
    assert "cannot load the architectures of shouty: ModuleNotFoundError" in run.stderr


def test_a_package_that_takes_a_built_in_name_is_named(
    run_python: Callable[..., Any], install: Callable[..., str]
) -> None:
    source = "from zoo.registry import register_model\nregister_model('mlp_tiny', architecture='mlp')"
    site = install("shouty", source=source, entry_points="[zoo.architectures]\nshouty = shouty\n")

    run = run_python("import zoo; zoo.list_models()", PYTHONPATH=site, KERAS_BACKEND="jax")

    assert "the architectures of shouty (entry point 'shouty'): 'mlp_tiny' is registered already" in run.stderr


def test_importing_a_builder_in_two_threads_does_not_deadlock(run_python: Callable[..., Any]) -> None:
    # One thread fills the registry (and so imports builders) while another imports a builder, which registers itself.
    run = run_python(
        """
import importlib, sys, threading
import zoo.registry

start = threading.Barrier(2)

class Meet:  # both threads are in the midst of their import when they go on
    def find_spec(self, name, path=None, target=None):
        if name == "zoo.builders.cnn" and threading.current_thread().name == "importer":
            start.wait(30)
        return None

sys.meta_path.insert(0, Meet())
importer = threading.Thread(target=importlib.import_module, args=("zoo.builders.cnn",), name="importer", daemon=True)
importer.start()
asker = threading.Thread(target=lambda: (start.wait(30), zoo.registry.list_architectures()), daemon=True)
asker.start()
for thread in (importer, asker):
    thread.join(30)
    assert not thread.is_alive(), "deadlock"
print(zoo.registry.list_architectures())
""",
        KERAS_BACKEND="jax",
    )

    assert run.stdout.strip() == str(FAMILIES), run.stderr


RENAMED = """
import warnings
import zoo

zoo.register_renamed("perceptron", "mlp")
zoo.register_renamed("perceptron_tiny", "mlp_tiny")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = zoo.build("perceptron_tiny", input_shape=(3,), head={"kind": "linear"})
    fields = zoo.model_fields("perceptron_tiny")
    config = zoo.ModelConfig.parse({"architecture": "perceptron", "input_shape": [3], "head": {"kind": "linear"}})
print(model.name, fields["architecture"], config.architecture)
print(*[f"{warning.category.__name__}: {warning.message}" for warning in caught], sep="\\n")
"""


def test_a_former_name_works_and_says_the_new_one(run_python: Callable[..., Any]) -> None:
    run = run_python(RENAMED, KERAS_BACKEND="jax")

    names, *warned = run.stdout.splitlines()
    assert names == "mlp mlp mlp", run.stderr
    assert warned == [
        "DeprecatedNameWarning: 'perceptron_tiny' is now called 'mlp_tiny'",
        "DeprecatedNameWarning: 'perceptron_tiny' is now called 'mlp_tiny'",
        "DeprecatedNameWarning: 'perceptron' is now called 'mlp'",
    ]


def test_a_former_name_cannot_be_one_that_is_taken() -> None:
    zoo.list_models()  # fills the registry

    with pytest.raises(zoo.RegistrationError, match="'cnn_tiny' is registered already"):
        zoo.register_renamed("cnn_tiny", "mlp_tiny")


def test_a_former_name_of_a_former_name_leads_to_the_newest(run_python: Callable[..., Any]) -> None:
    run = run_python(
        """
import warnings
import zoo

warnings.simplefilter("ignore")
zoo.register_renamed("older", "old")
zoo.register_renamed("old", "mlp_tiny")
print(zoo.model_fields("older")["architecture"])
try:
    zoo.register_renamed("mlp_tinier", "mlp_tinier")
except zoo.RegistrationError as error:
    print(error)
""",
        KERAS_BACKEND="jax",
    )

    assert run.stdout.splitlines() == ["mlp", "'mlp_tinier' cannot be the former name of itself"], run.stderr


def test_a_size_of_an_unknown_architecture_is_refused() -> None:
    zoo.list_models()  # fills the registry

    with pytest.raises(zoo.RegistrationError, match="'new_tiny' is of the architecture 'mpl'; did you mean 'mlp'"):
        zoo.register_model("new_tiny", architecture="mpl")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("register_model('one', architecture='mlp', units=(1,))\nraise OSError('no disk')", "OSError: no disk"),
        ("register_model('one', architecture='nowhere')", "'one' is of the architecture 'nowhere', which nobody"),
    ],
)
def test_a_package_that_fails_registers_nothing(
    run_python: Callable[..., Any], install: Callable[..., str], source: str, told: str
) -> None:
    site = install(
        "half",
        source=f"from zoo.registry import register_model\n{source}",
        entry_points="[zoo.architectures]\nhalf = half\n",
    )

    run = run_python(
        "import zoo; print(zoo.list_models('one'), len(zoo.list_models(tag='text')))",
        PYTHONPATH=site,
        KERAS_BACKEND="jax",
    )

    assert run.stdout.startswith("[] "), run.stderr
    assert told in run.stderr
