"""Our TensorFlow Datasets builders, over real data that package registries carry; importing one registers it with TFDS."""

BUILDERS = {"sklearn_digits": "training.datasets.digits"}
"""The module of each data set's builder."""
