"""Files of one's own to learn from, by what they hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, StringConstraints
from pydantic import model_validator as validator

from training.config.data import RowsConfig
from training.config.split_name import SplitName
from zoo.config.base import Listed, Size

Names = Annotated[tuple[str, ...], Field(min_length=1), Listed]
Columns = str | Names
HeldOut = Literal["validation", "calibration", "test"]
_DEFAULT_SHARE = 0.1


class FilesConfig(RowsConfig):
    """What all kinds of files have in common. Paths are relative to the current folder."""

    kind: str
    name: str | None = None
    """What the data set is called in runs and passports; null is the file's or folder's name."""
    files: str | dict[SplitName, str]
    """One file or folder with all rows, or one for each split: {train: ..., validation: ..., test: ...}."""
    hold_out: dict[HeldOut, Annotated[float, Field(gt=0, lt=1)]] | None = None
    """Which share of the training rows becomes another split, drawn by `split_seed`, every class in proportion (or the end,
    where rows follow each other); null: a tenth each for validation and, where `files` is one path, test."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of which rows are held out. It is not the run's seed: runs with several seeds are to be measured on the same rows."""
    classes: Names | None = None
    """The names of the classes in the order of their numbers; null takes those found, sorted."""
    licence: str = ""
    """Of the data; follows into the passport."""
    citation: str = ""
    """Where the data is from; follows into the passport."""

    def paths(self) -> dict[str, str]:
        """Return the path of each split; one path with all rows is that of `train`."""
        if isinstance(self.files, str):
            return {"train": self.files}
        return {str(split): path for split, path in self.files.items()}

    def shares(self) -> dict[str, float]:
        """Return the share of the training rows that goes to each split held out."""
        if self.hold_out is not None:
            return {str(split): share for split, share in self.hold_out.items()}
        wanted = ["validation", "test"] if isinstance(self.files, str) else ["validation"]
        return {split: _DEFAULT_SHARE for split in wanted if split not in self.paths()}

    @validator(mode="after")
    def _splits_add_up(self) -> Self:
        paths, shares = self.paths(), self.shares()
        if "train" not in paths:
            raise ValueError(f"files: which are to learn from? give train beside {', '.join(paths) or 'nothing'}")
        twice = next((split for split in shares if split in paths), None)
        if twice:
            raise ValueError(f"hold_out: {twice} has files of its own; leave one of the two out")
        if sum(shares.values()) >= 1:
            raise ValueError(
                f"hold_out: the shares come to {sum(shares.values()):g}, which leaves nothing to learn from"
            )
        if len(set(self.classes or ())) != len(self.classes or ()):
            raise ValueError("classes: a name is there twice")
        return self


class OrderedFilesConfig(FilesConfig):
    """Files whose rows may be in the order of time."""

    in_time: bool = False
    """Whether rows are in the order of time, oldest first, and the splits too: train, validation, calibration, test. The end
    is held out then, nothing is drawn; and of how sure a model is, the latest calibration rows tell most."""


class TableConfig(OrderedFilesConfig):
    """A table: CSV (`.csv`, `.tsv`, `.txt`, a line with names first, UTF-8) or Parquet (`.parquet`)."""

    kind: Literal["table"]
    label: Columns | dict[str, Columns]
    """The column to predict; several make a row of values; for several heads, by the name of each. Text is taken for classes
    and numbered, numbers stay as they are."""
    columns: Columns | dict[str, Columns] | None = None
    """The columns to predict from: a list makes rows of values (rows, columns), one name alone a value per row (rows,); for
    several inputs, by the name of each. Null is a list of all that are no label, weight or group."""
    values: Literal["numbers", "text"] = "numbers"
    """What these columns hold."""
    weight: str | None = None
    """The column that says what each row counts for."""
    group: str | None = None
    """A column of which equal values stay in one split when rows are held out (a patient, a speaker)."""
    missing: Literal["refuse", "drop"] = "refuse"
    """What to do about a row in which a value is missing: end with an error that names it, or leave the row out."""
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    """What stands between values; null is a tab in `.tsv`, otherwise a comma."""

    @validator(mode="after")
    def _time_or_groups(self) -> Self:
        if self.in_time and self.group is not None:
            raise ValueError(
                "group: of rows in the order of time the end is held out, whatever its groups; leave one out"
            )
        return self


class ArraysConfig(OrderedFilesConfig):
    """NumPy arrays: a `.npz` file, or a folder of `.npy` files, by name.

    `{split}` in a name stands for the split's: one file with `x_train`, `x_test` is {inputs: "x_{split}", ...}.
    """

    kind: Literal["arrays"]
    inputs: str | dict[str, str]
    """The name of the inputs' array; for several inputs, by the name of each."""
    labels: str | dict[str, str]
    """The name of the labels' array; for several heads, by the name of each."""
    weights: str | None = None
    """The name of an array that says what each row, or each step of it, counts for."""

    @validator(mode="after")
    def _one_file_of_several_splits(self) -> Self:
        names = [
            name for part in (self.inputs, self.labels) for name in ([part] if isinstance(part, str) else part.values())
        ]
        in_names = ["{split}" in name for name in names]
        if any(in_names) != all(in_names):
            raise ValueError("'{split}' has to be in the names of all inputs and labels, or of none")
        return self

    @property
    def split_in_names(self) -> bool:
        """Tell whether one file holds several splits."""
        return "{split}" in str(self.inputs)


class ImagesConfig(FilesConfig):
    """A folder with a folder of images for each class (PNG, JPEG, BMP, GIF, WebP); uint8 (rows, height, width, channels)."""

    kind: Literal["images"]
    size: Annotated[tuple[Size, Size], Listed] | None = None
    """[height, width] to which all are resized (bilinear); null: all have to be of one size."""
    channels: Literal[1, 3] = 3
    """1: grey, 3: red, green and blue."""


class AudioConfig(FilesConfig):
    """A folder with a folder of sounds for each class: WAV, FLAC, OGG or MP3; float32 (rows, samples) in -1..1."""

    kind: Literal["audio"]
    sampling_rate: Size | None = None
    """Samples per second to which all are brought; null: all have to have one rate."""
    seconds: PositiveFloat | None = None
    """How long all are made: what is longer is cut off, what is shorter filled up with silence; null: all have to be equally
    long."""


class TextConfig(FilesConfig):
    """Texts and their classes, UTF-8: a folder with a folder of `.txt` files for each class, or a file of lines."""

    kind: Literal["text"]
    separator: Annotated[str, StringConstraints(min_length=1)] = "\t"
    """In a file of lines, what stands between the class, which comes first, and the text."""


class CharactersConfig(FilesConfig):
    """Plain text to learn to go on with: pieces of `length` bytes, and as labels the bytes that follow each of them.

    An id is the byte + 1, as in the preprocessing step `tokens` with `level: byte`; there are 257 with padding. What is held
    out is the end of the text, in the order test, calibration, validation from the end.
    """

    kind: Literal["characters"]
    length: Size
    """Bytes of a piece."""
    step: Size | None = None
    """Bytes from the beginning of one piece to that of the next; null is `length`: no byte is a label twice."""
    inputs: Literal["ids", "text"] = "ids"
    """`text` gives the pieces as they are, for a model whose preprocessing makes ids of them."""


FileConfigs = TableConfig | ArraysConfig | ImagesConfig | AudioConfig | TextConfig | CharactersConfig
"""Any of them; `kind` tells which."""
