"""Our TensorFlow Datasets builders, over real data that package registries carry; importing one registers it with TFDS.

Where the data comes from, and its licence: `training.sources.catalogue`, under the same name.
"""

BUILDERS = {
    "sklearn_digits": "training.datasets.digits",
    "mnist_5000": "training.datasets.mnist",
    "fashion_mnist_70k": "training.datasets.fashion_mnist",
    "sklearn_breast_cancer": "training.datasets.breast_cancer",
    "sklearn_wine": "training.datasets.wine",
    "sklearn_diabetes": "training.datasets.diabetes",
    "sunspots": "training.datasets.sunspots",
    "elnino": "training.datasets.elnino",
    "co2": "training.datasets.co2",
    "movie_snippets": "training.datasets.movie_snippets",
    "pydoc_text": "training.datasets.pydoc_text",
    "cmudict_phonemes": "training.datasets.cmudict_phonemes",
    "spoken_prompts": "training.datasets.spoken_prompts",
}
"""The module of each data set's builder."""
