"""The layers at the front of a model, which tell what its input means."""

from collections.abc import Iterator

import keras


def front_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers that the one input passes, in order, for as long as each is alone in taking what the last gave."""
    if len(model.inputs) != 1:
        return
    takers: dict[int, list[keras.layers.Layer]] = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                takers.setdefault(id(tensor), []).append(layer)
    tensor = model.inputs[0]
    while len(found := takers.get(id(tensor), [])) == 1:
        yield found[0]
        tensor = found[0].output
