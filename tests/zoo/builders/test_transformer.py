import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.layers.transformer_block import TransformerBlock

SMALL: dict[str, Any] = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8}
SOFTMAX = {"kind": "softmax", "units": 3}
TOKEN = {"kind": "token", "units": 9}
VARIANTS: dict[str, dict[str, Any]] = {
    "encoder": {"input_shape": (6,), "vocabulary_size": 9, "head": SOFTMAX},
    "vision": {"input_shape": (8, 8, 2), "patch_size": 4, "head": SOFTMAX},
    "causal": {"input_shape": (6,), "vocabulary_size": 9, "head": TOKEN},
    "seq2seq": {"input_shape": (6,), "vocabulary_size": 7, "target_vocabulary_size": 9, "target_length": 4, "head": TOKEN},
}  # fmt: skip
variants = pytest.mark.parametrize("variant", VARIANTS)
positions = pytest.mark.parametrize("position", ["sinusoidal", "learned", "rotary"])


def build(variant: str = "encoder", **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    return zoo.build("transformer", variant=variant, **{**SMALL, **VARIANTS[variant], **fields})


def rows_for(model: keras.Model, rows: int = 3) -> Any:
    random = np.random.default_rng(5)

    def made(tensor: keras.KerasTensor) -> np.ndarray:
        shape = (rows, *tensor.shape[1:])
        return (
            random.integers(1, 7, shape).astype("int32") if "int" in tensor.dtype else random.random(shape, "float32")
        )

    return {x.name: made(x) for x in model.inputs} if len(model.inputs) > 1 else made(model.inputs[0])


def answer(model: keras.Model, rows: Any, **options: Any) -> np.ndarray:
    (value,) = model(rows, **options).values()
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@positions
@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_on_the_right_changes_nothing(position: str, pooling: str, *, norm_first: bool) -> None:
    model = build(input_shape=(None,), max_length=20, position=position, pooling=pooling, norm_first=norm_first)
    rows = np.array([[3, 1, 4, 1]])

    np.testing.assert_allclose(answer(model, np.pad(rows, [(0, 0), (0, 7)])), answer(model, rows), atol=1e-5)


def test_padding_of_vectors_changes_nothing() -> None:
    model = build(input_shape=(None, 2), vocabulary_size=None, mask_zero=True)
    rows = np.random.default_rng(1).normal(size=(2, 4, 2)).astype("float32")

    np.testing.assert_allclose(answer(model, np.pad(rows, [(0, 0), (0, 3), (0, 0)])), answer(model, rows), atol=1e-5)


def test_padding_of_the_source_changes_nothing() -> None:
    model = build("seq2seq", input_shape=(None,), max_length=20)
    given = {"inputs": np.array([[3, 1, 4]]), "decoder_inputs": np.array([[1, 2, 5, 2]])}
    padded = {**given, "inputs": np.pad(given["inputs"], [(0, 0), (0, 5)])}

    np.testing.assert_allclose(answer(model, padded), answer(model, given), atol=1e-5)


def test_without_masking_zeros_are_tokens() -> None:
    model = build(input_shape=(None,), mask_zero=False)

    assert not np.allclose(answer(model, np.array([[3, 1, 0]])), answer(model, np.array([[3, 1]])), atol=1e-4)


@variants
def test_rows_of_padding_alone_get_finite_answers(variant: str) -> None:
    model = build(variant)
    nothing = {x.name: np.zeros((2, *x.shape[1:]), x.dtype) for x in model.inputs}

    assert np.isfinite(answer(model, nothing if len(nothing) > 1 else nothing["inputs"])).all()


@positions
@pytest.mark.parametrize("variant", ["causal", "seq2seq"])
def test_a_later_token_never_changes_an_earlier_answer(variant: str, position: str) -> None:
    model = build(variant, position=position)
    rows = rows_for(model)
    before = answer(model, rows)
    targets = rows["decoder_inputs"] if variant == "seq2seq" else rows
    targets[:, 3:] = 8

    after = answer(model, rows)

    np.testing.assert_array_equal(after[:, :3], before[:, :3])
    assert not np.allclose(after[:, 3:], before[:, 3:])


@positions
def test_the_order_of_tokens_matters(position: str) -> None:
    model = build(position=position)

    assert not np.allclose(
        answer(model, np.array([[1, 2, 3, 4, 5, 6]])), answer(model, np.array([[6, 5, 4, 3, 2, 1]])), atol=1e-4
    )


def test_a_source_changes_what_the_decoder_answers() -> None:
    model = build("seq2seq")
    rows = rows_for(model)

    assert not np.allclose(answer(model, {**rows, "inputs": rows["inputs"] % 6 + 1}), answer(model, rows), atol=1e-4)


DIM, HIDDEN = 8, 32
ATTENTION = 4 * (DIM * DIM + DIM)
FEED_FORWARD = DIM * HIDDEN + HIDDEN + HIDDEN * DIM + DIM
NORM = 2 * DIM


@pytest.mark.parametrize(
    ("variant", "fields", "parameters"),
    [
        ("encoder", {}, 9 * DIM + 2 * (ATTENTION + FEED_FORWARD + 2 * NORM) + NORM + (DIM * 3 + 3)),
        ("encoder", {"norm_first": False}, 9 * DIM + 2 * (ATTENTION + FEED_FORWARD + 2 * NORM) + (DIM * 3 + 3)),
        (
            "encoder",
            {"regularization": {"normalization": "rms"}, "use_bias": False, "pooling": "cls"},
            9 * DIM + DIM + 2 * (4 * DIM * DIM + 2 * DIM * HIDDEN + 2 * DIM) + DIM + DIM * 3,
        ),
        (
            "encoder",
            {"pooling": "cls", "position": "learned", "intermediate_dim": 5},
            (9 + 1 + 7) * DIM + 2 * (ATTENTION + (DIM * 5 + 5 + 5 * DIM + DIM) + 2 * NORM) + NORM + (DIM * 3 + 3),
        ),
        (
            "vision",
            {"position": "learned"},
            (32 * DIM + DIM) + 4 * DIM + 2 * (ATTENTION + FEED_FORWARD + 2 * NORM) + NORM + (DIM * 3 + 3),
        ),
        ("causal", {"position": "rotary"}, 9 * DIM + 2 * (ATTENTION + FEED_FORWARD + 2 * NORM) + NORM + (DIM * 9 + 9)),
        (
            "seq2seq",
            {"num_decoder_layers": 1},
            7 * DIM
            + 2 * (ATTENTION + FEED_FORWARD + 2 * NORM)
            + NORM
            + 9 * DIM
            + (2 * ATTENTION + FEED_FORWARD + 3 * NORM)
            + NORM
            + (DIM * 9 + 9),
        ),
    ],
)
def test_parameters_are_as_many_as_by_hand(variant: str, fields: dict[str, Any], parameters: int) -> None:
    assert build(variant, **fields).count_params() == parameters


def test_dropout_is_on_embeddings_and_branches() -> None:
    model = build(regularization={"dropout": 0.25})

    assert model.get_layer("embedding_dropout").rate == 0.25
    assert [drop.rate for drop in model.get_layer("block_2").drops] == [0.25, 0.25]


def test_the_chance_to_skip_grows_with_the_depth() -> None:
    model = build("seq2seq", regularization={"stochastic_depth": 0.6})
    rates = {layer.name: layer.skip_rates for layer in model.layers if isinstance(layer, TransformerBlock)}

    assert rates["encoder_block_1"] + rates["encoder_block_2"] == pytest.approx([0.15, 0.3, 0.45, 0.6])
    assert rates["decoder_block_1"] + rates["decoder_block_2"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_penalties_and_constraints_are_on_every_kernel() -> None:
    model = build(regularization={"l2": 0.5, "constraint": {"kind": "max_norm", "max_value": 2}})
    kernels = [weight for weight in model.trainable_weights if weight.path.endswith("kernel")]

    assert len(kernels) == 2 * (4 + 2) + 1
    assert float(sum(model.losses)) == pytest.approx(sum(0.5 * (k.numpy() ** 2).sum() for k in kernels), rel=1e-5)
    assert [kernel.path for kernel in kernels if kernel.constraint is None] == ["logits/kernel"]


def test_kernels_of_one_shape_begin_unlike() -> None:
    kernels = [weight.numpy() for weight in build().trainable_weights if weight.path.endswith("kernel")]
    square = [kernel for kernel in kernels if kernel.shape == (8, 8)]

    assert len({kernel.tobytes() for kernel in square}) == len(square) == 2 * 4


def test_features_of_the_class_token_are_the_first_step() -> None:
    by_step = build(pooling="none", head={"kind": "linear", "units": 2}, mask_zero=False)
    pooled = build(pooling="cls", head={"kind": "linear", "units": 2}, mask_zero=False)

    assert by_step.output["value"].shape == (None, 6, 2)
    assert pooled.output["value"].shape == (None, 2)
    assert pooled.get_layer("class_token").output.shape == (None, 7, 8)


@variants
@positions
def test_the_same_config_and_seed_give_the_same_weights(variant: str, position: str) -> None:
    model = build(variant, position=position)
    config = zoo.ModelConfig.from_yaml(model.zoo_config.to_yaml())
    keras.utils.set_random_seed(7)

    for mine, other in zip(zoo.build(config).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


@variants
def test_a_saved_model_answers_and_names_its_weights_alike(variant: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"position": "learned", "activation": "prelu", "regularization": {"orthogonal": 0.1}}
    model = build(variant, **fields)
    rows = rows_for(model)
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(answer(loaded, rows), answer(model, rows))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in model.weights]
    assert len(loaded.losses) == len(model.losses)


@variants
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_answers_in_half_precision_are_near_those_in_full(
    variant: str, policy: str, dtype_policy: Callable[[str], None]
) -> None:
    full = build(variant)
    dtype_policy(policy)
    half = build(variant)
    half.set_weights(full.get_weights())
    rows = rows_for(full)

    np.testing.assert_allclose(answer(half, rows), answer(full, rows), atol=0.05)


@variants
def test_a_training_step_compiles_under_xla(variant: str) -> None:
    model = build(variant, regularization={"dropout": 0.1, "stochastic_depth": 0.1, "normalization": "rms"})
    rows = rows_for(model, 4)
    labels = np.random.default_rng(1).integers(1, 3, answer(model, rows).shape[:-1])
    model.compile(
        keras.optimizers.SGD(0.01), loss={"probabilities": "sparse_categorical_crossentropy"}, jit_compile=True
    )

    assert np.isfinite(model.train_on_batch(rows, {"probabilities": labels}))


ON_JAX = """
import json, sys
from pathlib import Path
import keras, numpy as np
import zoo
answers = {"backend": keras.backend.backend()}
for folder in Path(sys.argv[1]).iterdir():
    given = np.load(folder / "given.npz")
    model = zoo.build(zoo.ModelConfig.from_yaml((folder / "model.yaml").read_text()))
    model.set_weights([given[f"weight_{i}"] for i in range(len(model.weights))])
    rows = {x.name: given[x.name] for x in model.inputs}
    (value,) = model.predict_on_batch(rows if len(rows) > 1 else rows["inputs"]).values()
    answers[folder.name] = value.tolist()
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_answers_are_the_same_on_jax(tmp_path: Path, run_python: Callable[..., Any]) -> None:
    expected = {}
    for variant, fields in {
        "encoder": {"pooling": "cls", "norm_first": False},
        "vision": {"position": "learned"},
        "seq2seq": {"position": "rotary", "regularization": {"normalization": "rms"}},
    }.items():
        model = build(variant, num_layers=1, **fields)
        rows = rows_for(model)
        named = rows if isinstance(rows, dict) else {"inputs": rows}
        weights = {f"weight_{number}": weight for number, weight in enumerate(model.get_weights())}
        (tmp_path / variant).mkdir()
        np.savez(tmp_path / variant / "given.npz", **named, **weights)
        (tmp_path / variant / "model.yaml").write_text(model.zoo_config.to_yaml())
        expected[variant] = answer(model, rows)

    ran = run_python(ON_JAX, str(tmp_path), KERAS_BACKEND="jax")

    assert ran.returncode == 0, ran.stderr[-2000:]
    answers = json.loads(ran.stdout)
    assert answers.pop("backend") == "jax"
    assert answers.keys() == expected.keys()
    for variant, value in expected.items():
        np.testing.assert_allclose(np.array(answers[variant]), value, atol=1e-5)


@pytest.mark.slow
def test_the_tiny_seq2seq_learns_to_reverse() -> None:
    keras.utils.set_random_seed(0)
    source = np.random.default_rng(0).integers(3, 16, (4096, 8)).astype("int32")
    begin, end = np.full((4096, 1), 1, "int32"), np.full((4096, 1), 2, "int32")
    target = source[:, ::-1]
    model = zoo.build(
        "seq2seq_tiny", input_shape=(8,), vocabulary_size=16, target_length=9, head={"kind": "token", "units": 16}
    )
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss={"probabilities": "sparse_categorical_crossentropy"},
        metrics={"probabilities": "accuracy"},
    )
    rows = {"inputs": source, "decoder_inputs": np.concatenate([begin, target], axis=1)}

    fitted = model.fit(
        rows, {"probabilities": np.concatenate([target, end], axis=1)}, batch_size=64, epochs=5, verbose=0
    )

    assert fitted.history["accuracy"][-1] > 0.95


def test_learned_positions_of_any_number_of_steps_build_on_jax(run_python: Callable[..., Any]) -> None:
    run = run_python(
        """
import numpy as np
import zoo

model = zoo.build("transformer", position="learned", input_shape=(None,), max_length=6, vocabulary_size=9, hidden_dim=8,
                  num_heads=2, num_layers=1, head={"kind": "linear"})
print([model(np.ones((2, steps), "int32"))["value"].shape for steps in (3, 6)])
""",
        KERAS_BACKEND="jax",
    )

    assert run.stdout.strip() == "[(2, 1), (2, 1)]", run.stderr
