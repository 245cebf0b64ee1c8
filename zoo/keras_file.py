"""Reading `.keras` files of models that have layers of this zoo."""

from pathlib import Path

import keras

from zoo import layers
from zoo.errors import ArtifactError, ZooError


def load_model(path: str | Path) -> keras.Model:
    """Return a model saved with `model.save("name.keras")`.

    `keras.models.load_model` does as well after `import zoo.layers`, which tells Keras of the layers that it does not have.

    Raises:
        ArtifactError: there is no such file, or Keras cannot read it.
    """
    path = Path(path)
    if not path.exists():
        raise ArtifactError(f"there is no file {path}")
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = _ours_behind(error) or str(error).partition("\n")[0]
        raise ArtifactError(
            f"{path} is no model that can be read; known are the layers of Keras and those registered as "
            f"{layers.PACKAGE}>...: {reason}"
        ) from error


def _ours_behind(error: BaseException) -> str:
    """Return the message of the error of ours that Keras wrapped in its own, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ZooError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return ""
