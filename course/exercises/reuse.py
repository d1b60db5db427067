"""Unit 11_reuse: frozen layers, rates by layer, transplants, autoencoders, an auxiliary task.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name. A layer is a dict of arrays, a network a
list of them, from the input to the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, item, unpack
from course.checking.compare import WrongKind, describe

Network = list[dict[str, Array]]

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


def as_float32(value: Any) -> Any:
    """Return the same structure with every array of floats in float32."""
    if isinstance(value, dict):
        return {key: as_float32(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [as_float32(entry) for entry in value]
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value.astype(np.float32)
    return value


def as_list(value: Any, what: str, count: int) -> Any:
    """Return a result that must be a list (or a tuple) of so many things.

    Raises:
        WrongKind: it is none.
    """
    if type(value) not in (list, tuple) or len(value) != count:
        raise WrongKind(f"expected a list of {count} {what}, got {describe(value)}")
    return value


def draw_layers(rng: np.random.Generator, sizes: Sequence[int]) -> Network:
    """Draw the dense layers of a network with these widths."""
    return [
        {"w": rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in), "b": rng.normal(size=fan_out)}
        for fan_in, fan_out in pairwise(sizes)
    ]


# --- backward through frozen layers ----------------------------------------------------------


def frozen_backward(
    grad: Array, x: Array, layers: Network, frozen: Sequence[int]
) -> tuple[Array, list[dict[str, Array] | None]]:
    """Return ∂L/∂x of a tanh network and its layers' gradients, None for each frozen layer."""
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads: list[dict[str, Array] | None] = [None] * len(layers)
    for k in range(len(layers) - 1, -1, -1):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def in_place_of_none(entry: Any) -> str:
    """Say in a few words what stands where None is expected."""
    values = list(entry.values()) if type(entry) is dict else []
    if values and all(type(value) is np.ndarray and not value.any() for value in values):
        return "zeros"
    if values and all(value is None for value in values):
        return "a dict of None"
    return describe(entry)


def look_at_the_gradients(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at every layer's gradients, and which are None."""
    grad_x, grads = unpack(function(**inputs), "grad_x", "grads")
    yield "grad_x", grad_x
    grads = as_list(grads, "gradients, one for each layer", len(inputs["layers"]))
    yield "which entries of grads are None", np.array([entry is None for entry in grads])
    for k in inputs["frozen"]:
        if grads[k] is not None:
            found = in_place_of_none(grads[k])
            raise WrongKind(f"layer {k} is frozen: expected grads[{k}] to be None, got {found}")
    for k, entry in enumerate(grads):
        if k not in inputs["frozen"]:
            for key in ("w", "b"):
                yield f"grads[{k}][{key!r}]", item(entry, f"grads[{k}]", key)


def frozen_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(samples: int, sizes: Sequence[int], frozen: list[int]) -> dict[str, Any]:
        grad = rng.normal(size=(samples, sizes[-1]))
        x = rng.normal(size=(samples, sizes[0]))
        return {"grad": grad, "x": x, "layers": draw_layers(rng, sizes), "frozen": frozen}

    yield Case("learning", "three layers, all learn", inputs(4, (3, 5, 4, 2), []))
    yield Case("learning", "two layers of equal width, one sample", inputs(1, (3, 3, 3), []))
    yield Case("frozen", "the two lowest of four layers frozen", inputs(5, (3, 4, 4, 3, 2), [0, 1]))
    yield Case("frozen", "a frozen layer in the middle", inputs(4, (3, 4, 4, 2), [1]))
    yield Case("frozen", "the head frozen", inputs(3, (4, 3, 3, 3), [2]))
    yield Case("frozen", "the third and the lowest frozen", inputs(4, (2, 4, 4, 4, 3), [2, 0]))
    yield Case("frozen", "every layer frozen", inputs(3, (3, 4, 4), [0, 1]))
    yield Case("dtype", "in float32", as_float32(inputs(4, (3, 4, 4, 2), [1])))


def stopped_at_a_frozen_layer(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
        if k in frozen:
            grad = np.zeros_like(grad)
    return grad, grads


def ended_at_a_frozen_layer(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k in frozen:
            break
        grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def frozen_is_all_below(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k > max(frozen, default=-1):
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def zeros_for_frozen_layers(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        learns = k not in frozen
        grads[k] = {"w": learns * (values[k].T @ grad), "b": learns * grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def frozen_ignored(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def frozen_the_wrong_way_round(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def slope_of_frozen_layers_left_out(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k not in frozen:
            if k < len(layers) - 1:
                grad = grad * (1 - values[k + 1] ** 2)
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def frozen_layer_jumped_over(grad, x, layers, frozen):
    values = [x]
    for layer in layers[:-1]:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k in frozen:
            continue
        grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
        if k > 0:
            grad = grad * (1 - values[k] ** 2)
    return grad, grads


def frozen_layer_skipped_with_its_slope(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k in frozen:
            continue
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def matrix_of_a_frozen_layer_skipped(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k in frozen:
            continue
        grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def list_from_the_head_down(grad, x, layers, frozen):
    values = [x]
    for layer in layers[:-1]:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = []
    for k in reversed(range(len(layers))):
        grads.append(None)
        if k not in frozen:
            grads[-1] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
        if k > 0:
            grad = grad * (1 - values[k] ** 2)
    return grad, grads


def only_learning_layers_listed(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = []
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k not in frozen:
            grads.insert(0, {"w": values[k].T @ grad, "b": grad.sum(axis=0)})
        grad = grad @ layers[k]["w"].T
    return grad, grads


def slope_at_the_output_too(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        grad = grad * (1 - values[k + 1] ** 2)
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def slopes_forgotten(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def gradients_averaged(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1] ** 2)
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad / len(x), "b": grad.mean(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def slope_from_before_the_tanh(grad, x, layers, frozen):
    values, sums = [x], []
    for layer in layers:
        sums.append(values[-1] @ layer["w"] + layer["b"])
        values.append(np.tanh(sums[-1]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - sums[k] ** 2)
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def slope_without_the_square(grad, x, layers, frozen):
    values = [x]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            grad = grad * (1 - values[k + 1])
        if k not in frozen:
            grads[k] = {"w": values[k].T @ grad, "b": grad.sum(axis=0)}
        grad = grad @ layers[k]["w"].T
    return grad, grads


def backward_by_recursion(grad, x, layers, frozen):
    first, above = layers[0], layers[1:]
    kept = [k - 1 for k in frozen if k > 0]
    if above:
        h = np.tanh(x @ first["w"] + first["b"])
        grad, grads = frozen_backward(grad, h, above, kept)
        grad = grad * (1 - h * h)
    else:
        grads = []
    own = None if 0 in frozen else {"w": x.T @ grad, "b": grad.sum(axis=0)}
    return grad @ first["w"].T, [own, *grads]


def all_gradients_then_none(grad, x, layers, frozen):
    inputs, slopes, h = [], [], x
    for layer in layers:
        inputs.append(h)
        h = np.tanh(np.einsum("nf,fh->nh", h, layer["w"]) + layer["b"])
        slopes.append(1 - h**2)
    slopes[-1] = np.ones_like(slopes[-1])
    grads = []
    for layer, h, slope in zip(layers[::-1], inputs[::-1], slopes[::-1], strict=True):
        grad = grad * slope
        grads.append({"w": np.einsum("nf,nh->fh", h, grad), "b": np.einsum("nh->h", grad)})
        grad = np.einsum("nh,fh->nf", grad, layer["w"])
    grads.reverse()
    for k in frozen:
        grads[k] = None
    return grad, tuple(grads)


def backward_sample_by_sample(grad, x, layers, frozen):
    grads = [
        None if k in frozen else {key: np.zeros_like(array) for key, array in layer.items()}
        for k, layer in enumerate(layers)
    ]
    grad_x = np.empty_like(x)
    for n in range(len(x)):
        values = [x[n]]
        for layer in layers[:-1]:
            values.append(np.tanh(values[-1] @ layer["w"] + layer["b"]))
        g = grad[n]
        for k in reversed(range(len(layers))):
            if grads[k] is not None:
                grads[k]["w"] += np.outer(values[k], g)
                grads[k]["b"] += g
            g = layers[k]["w"] @ g
            if k > 0:
                g = g * (1 - values[k] ** 2)
        grad_x[n] = g
    return grad_x, grads


FROZEN_BACKWARD = Exercise(
    reference=frozen_backward,
    summary="the backward pass of a network some of whose layers are frozen",
    parts=(
        Part("learning", 1.5, "all layers learn"),
        Part("frozen", 2.5, "some layers are frozen"),
        DTYPE,
        INPUTS,
    ),
    cases=frozen_backward_cases,
    run=look_at_the_gradients,
    scale=1.0,
    mistakes=(
        Mistake(
            "stopped at a frozen layer",
            stopped_at_a_frozen_layer,
            "The gradient ends at the frozen layer, so nothing below it can learn. Frozen means "
            "that its own numbers stay: the gradient passes through it, grad @ w.T, like through "
            "any other.",
        ),
        Mistake(
            "ended at a frozen layer",
            ended_at_a_frozen_layer,
            "The way back ends at the first frozen layer: those below get nothing, and what comes "
            "back is not the gradient of x. Go on, and only keep no gradient for the layer itself.",
        ),
        Mistake(
            "frozen layer jumped over",
            frozen_layer_jumped_over,
            "The way back leaves out the frozen layer, its weights and a slope too. It took part "
            "in the forward pass: only its own gradient is not formed.",
        ),
        Mistake(
            "frozen layer skipped with its slope",
            frozen_layer_skipped_with_its_slope,
            "A frozen layer is skipped whole: neither its slope nor its weights are on your way "
            "down. Skip only the gradients of its own w and b; the rest is as for any layer.",
        ),
        Mistake(
            "matrix of a frozen layer skipped",
            matrix_of_a_frozen_layer_skipped,
            "At a frozen layer the loop goes on before grad @ w.T. What the layers below get has "
            "not passed it: skip only the gradients of its own w and b.",
        ),
        Mistake(
            "frozen is all below",
            frozen_is_all_below,
            "Everything below the highest frozen layer is frozen, too. Only the layers that are "
            "listed are: those below still learn.",
        ),
        Mistake(
            "zeros for frozen layers",
            zeros_for_frozen_layers,
            "A frozen layer gets a gradient of 0 instead of None. An optimizer takes a 0 for a "
            "gradient: momentum coasts on and weight decay still pulls. None means: leave alone.",
        ),
        Mistake(
            "frozen ignored",
            frozen_ignored,
            "frozen is never used: every layer gets a gradient. Those that are listed get None.",
        ),
        Mistake(
            "frozen the wrong way round",
            frozen_the_wrong_way_round,
            "The layers in frozen get gradients and the others None. It is the other way round: "
            "frozen lists those that do not learn.",
        ),
        Mistake(
            "slope of frozen layers left out",
            slope_of_frozen_layers_left_out,
            "The tanh of a frozen layer is passed as if it were not there. It took part in the "
            "forward pass, so its slope 1 − h² belongs into the gradient.",
        ),
        Mistake(
            "only learning layers listed",
            only_learning_layers_listed,
            "The list has entries for the learning layers only, so nobody knows which is whose. "
            "Give one entry for each layer, None for the frozen ones.",
        ),
        Mistake(
            "list from the head down",
            list_from_the_head_down,
            "The list begins with the head, the order of the way back. grads[0] is the lowest "
            "layer's: turn the list round at the end.",
        ),
        Mistake(
            "slope at the output, too",
            slope_at_the_output_too,
            "The last layer is treated like a tanh layer. The head is linear: its slope is 1.",
        ),
        Mistake(
            "slopes forgotten",
            slopes_forgotten,
            "The slopes of the tanh are missing: on the way down multiply by 1 − h² at each hidden "
            "layer, h its output.",
        ),
        Mistake(
            "gradients averaged",
            gradients_averaged,
            "The gradients are divided by the number of samples. grad has the loss's 1/N already: "
            "here samples add up.",
        ),
        Mistake(
            "slope from before the tanh",
            slope_from_before_the_tanh,
            "The slope is taken as 1 − z² with the values before the tanh. It is 1 − h², h = "
            "tanh(z).",
        ),
        Mistake(
            "slope without the square",
            slope_without_the_square,
            "The slope is taken as 1 − h. The tanh's is 1 − h².",
        ),
    ),
    honest=(backward_by_recursion, all_gradients_then_none, backward_sample_by_sample),
)


# --- a step that leaves frozen layers alone --------------------------------------------------


def frozen_step(
    layers: Network,
    grads: Sequence[dict[str, Array] | None],
    velocities: Network,
    frozen: Sequence[int],
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> tuple[Network, Network]:
    """Return layers and velocities after a step of momentum that leaves the frozen layers alone."""
    new_layers: Network = []
    new_velocities: Network = []
    for k, (layer, grad, velocity) in enumerate(zip(layers, grads, velocities, strict=True)):
        if k in frozen or grad is None:
            new_layers.append(dict(layer))
            new_velocities.append(dict(velocity))
            continue
        moved = {
            key: momentum * velocity[key] - lr * (grad[key] + weight_decay * layer[key])
            for key in layer
        }
        new_layers.append({key: layer[key] + moved[key] for key in layer})
        new_velocities.append(moved)
    return new_layers, new_velocities


def kept_every_bit(value: Any, before: Any) -> bool:
    """Tell whether an array is the one before, also in the sign of its zeros."""
    same = type(value) is np.ndarray and np.array_equal(value, before)
    return same and np.array_equal(np.signbit(value), np.signbit(before))


def follow_the_steps(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Make a step for each list of gradients, with its own frozen layers."""
    layers, velocities = inputs["layers"], inputs["velocities"]
    count = len(layers)
    steps = zip(inputs["grads"], inputs["frozen"], strict=True)
    for step, (grads, frozen) in enumerate(steps, start=1):
        result = function(layers, grads, velocities, frozen, **inputs["hyper"])
        new = unpack(result, "layers", "velocities")
        names = ("layers", "velocities")
        seen = [as_list(value, name, count) for value, name in zip(new, names, strict=True)]
        for k in range(count):
            for name, now, before in zip(names, seen, (layers, velocities), strict=True):
                for key in ("w", "b"):
                    value = item(now[k], f"{name}[{k}]", key)
                    yield f"{name}[{k}][{key!r}] after step {step}", value
                    if k in frozen:
                        kept = kept_every_bit(value, before[k][key])
                        yield f"whether {name}[{k}][{key!r}] kept every bit in step {step}", kept
        layers, velocities = seen


def frozen_step_cases(rng: np.random.Generator) -> Iterator[Case]:
    sizes = (3, 4, 3, 2)

    def numbers() -> Network:
        return draw_layers(rng, sizes)

    def inputs(frozen: list[list[int]], *, given: bool = False, **hyper: float) -> dict[str, Any]:
        grads: list[Any] = [numbers() for _ in frozen]
        for entries, kept in zip(grads, frozen, strict=True):
            for k in kept:
                entries[k] = entries[k] if given else None
        velocities = [{key: 0.3 * v for key, v in layer.items()} for layer in numbers()]
        settings = {"lr": float(rng.choice([0.05, 0.1, 0.2]))} | hyper
        return {
            "layers": numbers(),
            "grads": grads,
            "velocities": velocities,
            "frozen": frozen,
            "hyper": settings,
        }

    def with_zeros(given: dict[str, Any]) -> dict[str, Any]:
        """Put zeros of both signs into frozen layers: next to 0 the smallest step shows."""
        for k in given["frozen"][0]:
            given["layers"][k]["b"][0] = -0.0
            given["velocities"][k]["b"][0] = abs(given["velocities"][k]["b"][0])
            given["layers"][k]["w"][0, 0] = given["velocities"][k]["w"][1, 0] = 0.0
        return given

    def without_numbers(given: dict[str, Any]) -> dict[str, Any]:
        """Put into frozen layers' gradients what a multiplication by 0 does not make 0."""
        for k in given["frozen"][0]:
            given["grads"][0][k]["w"][0, :2] = np.nan, np.inf
        return given

    momentum, decay = float(rng.choice([0.5, 0.7, 0.8])), float(rng.choice([0.1, 0.2, 0.3]))
    both: dict[str, Any] = {"momentum": momentum, "weight_decay": decay}
    yield Case("learning", "two steps, all layers learn", inputs([[], []], momentum=momentum))
    yield Case("learning", "a step with weight decay", inputs([[]], **both))
    yield Case("learning", "a step with all defaults", inputs([[]]))
    yield Case("frozen", "the two lowest frozen, two steps", inputs([[0, 1], [0, 1]], **both))
    yield Case(
        "frozen", "frozen, and gradients are there all the same", inputs([[1]], given=True, **both)
    )
    yield Case("frozen", "head and lowest frozen, with zeros", with_zeros(inputs([[2, 0]], **both)))
    yield Case(
        "frozen",
        "frozen, and NaN in its gradient",
        without_numbers(inputs([[1]], given=True, **both)),
    )
    yield Case("released", "released from the top", inputs([[1, 0], [0], []], **both))
    yield Case("released", "frozen for one step", inputs([[], [1], []], given=True, **both))
    yield Case("dtype", "in float32", as_float32(inputs([[0], [0]], **both)))


def gradient_taken_as_zero(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            g = 0 * theta if k in frozen or grads[k] is None else grads[k][key]
            moved[key] = momentum * velocities[k][key] - lr * (g + weight_decay * theta)
            layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def multiplied_by_0(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        learns = 0.0 if k in frozen else 1.0
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            u = velocities[k][key]
            g = 0 * theta if grads[k] is None else grads[k][key]
            step = momentum * u - lr * (g + weight_decay * theta)
            moved[key] = learns * step + (1 - learns) * u
            layer[key] = theta + learns * step
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def frozen_layers_coast(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            moved[key] = momentum * velocities[k][key]
            if k not in frozen:
                moved[key] = moved[key] - lr * (grads[k][key] + weight_decay * theta)
            layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def frozen_layers_decay(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta - lr * weight_decay * theta, velocities[k][key]
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] - lr * g
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def velocity_fades_while_frozen(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, momentum * velocities[k][key]
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] - lr * g
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def velocity_forgotten_while_frozen(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, np.zeros_like(theta)
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] - lr * g
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def velocity_takes_the_gradient_while_frozen(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            g = 0 * theta if grads[k] is None else grads[k][key]
            moved[key] = momentum * velocities[k][key] - lr * (g + weight_decay * theta)
            layer[key] = theta if k in frozen else theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def biases_not_frozen(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen and key == "w":
                layer[key], moved[key] = theta, velocities[k][key]
                continue
            g = 0 * theta if grads[k] is None else grads[k][key]
            moved[key] = momentum * velocities[k][key] - lr * (g + weight_decay * theta)
            layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def only_missing_gradients_are_frozen(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if grads[k] is None:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] - lr * g
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def decay_beside_the_velocity(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                moved[key] = momentum * velocities[k][key] - lr * grads[k][key]
                layer[key] = theta + moved[key] - lr * weight_decay * theta
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def step_without_decay(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                moved[key] = momentum * velocities[k][key] - lr * grads[k][key]
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def biases_not_decayed(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                g = grads[k][key] + (weight_decay * theta if key == "w" else 0)
                moved[key] = momentum * velocities[k][key] - lr * g
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def rate_outside_the_velocity(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] + g
                layer[key] = theta - lr * moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def brackets_of_the_decay_forgotten(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, u = layers[k], velocities[k]
        if k not in frozen:
            u = {
                key: momentum * u[key] - lr * grads[k][key] + weight_decay * layer[key]
                for key in layer
            }
            layer = {key: layer[key] + u[key] for key in layer}
        new_layers.append(layer)
        new_velocities.append(u)
    return new_layers, new_velocities


def decay_without_the_rate(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, u = layers[k], velocities[k]
        if k not in frozen:
            u = {
                key: momentum * u[key] - lr * grads[k][key] - weight_decay * layer[key]
                for key in layer
            }
            layer = {key: layer[key] + u[key] for key in layer}
        new_layers.append(layer)
        new_velocities.append(u)
    return new_layers, new_velocities


def velocity_against_the_step(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, u = layers[k], velocities[k]
        if k not in frozen:
            u = {
                key: momentum * u[key] + lr * (grads[k][key] + weight_decay * layer[key])
                for key in layer
            }
            layer = {key: layer[key] - u[key] for key in layer}
        new_layers.append(layer)
        new_velocities.append(u)
    return new_layers, new_velocities


def step_uphill(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] + lr * g
                layer[key] = theta + moved[key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def step_by_the_old_velocity(
    layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0
):
    new_layers, new_velocities = [], []
    for k in range(len(layers)):
        layer, moved = {}, {}
        for key, theta in layers[k].items():
            if k in frozen:
                layer[key], moved[key] = theta, velocities[k][key]
            else:
                g = grads[k][key] + weight_decay * theta
                moved[key] = momentum * velocities[k][key] - lr * g
                layer[key] = theta + velocities[k][key]
        new_layers.append(layer)
        new_velocities.append(moved)
    return new_layers, new_velocities


def step_on_copies(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    import copy

    layers, velocities = copy.deepcopy(layers), copy.deepcopy(velocities)
    for k in set(range(len(layers))) - set(frozen):
        for key in ("w", "b"):
            velocities[k][key] *= momentum
            velocities[k][key] -= lr * (grads[k][key] + weight_decay * layers[k][key])
            layers[k][key] += velocities[k][key]
    return layers, velocities


def step_with_decay_apart(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    def stepped(k):
        if k in frozen:
            return layers[k], velocities[k]
        u = {
            key: momentum * v - lr * grads[k][key] - lr * weight_decay * layers[k][key]
            for key, v in velocities[k].items()
        }
        return {key: u[key] + theta for key, theta in layers[k].items()}, u

    pairs = [stepped(k) for k in range(len(layers))]
    return [layer for layer, _ in pairs], [u for _, u in pairs]


def step_entry_by_entry(layers, grads, velocities, frozen, *, lr, momentum=0.9, weight_decay=0.0):
    new_layers = [{key: a.copy() for key, a in layer.items()} for layer in layers]
    new_velocities = [{key: a.copy() for key, a in layer.items()} for layer in velocities]
    for k, layer in enumerate(layers):
        if k in frozen:
            continue
        for key, theta in layer.items():
            for index in np.ndindex(theta.shape):
                slope = grads[k][key][index] + weight_decay * theta[index]
                new = momentum * velocities[k][key][index] - lr * slope
                new_velocities[k][key][index] = new
                new_layers[k][key][index] = theta[index] + new
    return tuple(new_layers), tuple(new_velocities)


FROZEN_STEP = Exercise(
    reference=frozen_step,
    summary="a step of momentum with weight decay that leaves frozen layers alone",
    parts=(
        Part("learning", 1.5, "layers that learn"),
        Part("frozen", 1.5, "frozen layers keep every bit"),
        Part("released", 1, "freezing and releasing between steps"),
        DTYPE,
        INPUTS,
    ),
    cases=frozen_step_cases,
    run=follow_the_steps,
    scale=1.0,
    mistakes=(
        Mistake(
            "gradient taken as 0",
            gradient_taken_as_zero,
            "A frozen layer makes a step with the gradient 0. Its velocity carries it on and "
            "weight decay shrinks it. Skip it: neither its numbers nor its velocity change.",
        ),
        Mistake(
            "multiplied by 0",
            multiplied_by_0,
            "A frozen layer's step is multiplied by 0 and added. 0 · NaN is NaN, and −0.0 + 0.0 is "
            "0.0: not every bit is kept. Skip the layer, or choose with np.where.",
        ),
        Mistake(
            "frozen layers coast",
            frozen_layers_coast,
            "A frozen layer still moves by its old velocity. Momentum is a step, too: leave the "
            "layer and the velocity as they are.",
        ),
        Mistake(
            "frozen layers decay",
            frozen_layers_decay,
            "Weight decay shrinks the frozen layers. It is part of the step: a frozen layer makes "
            "none.",
        ),
        Mistake(
            "velocity fades while frozen",
            velocity_fades_while_frozen,
            "The velocity of a frozen layer is multiplied by the momentum all the same. It belongs "
            "to the layer's state and stays until the layer learns again.",
        ),
        Mistake(
            "velocity forgotten while frozen",
            velocity_forgotten_while_frozen,
            "The velocity of a frozen layer is set to 0. It stays as it is, and a released layer "
            "goes on from it.",
        ),
        Mistake(
            "velocity follows while frozen",
            velocity_takes_the_gradient_while_frozen,
            "A frozen layer stays, but its velocity is updated and is set free at the release. "
            "The state of a frozen layer does not change either.",
        ),
        Mistake(
            "biases not frozen",
            biases_not_frozen,
            "Only the weights of a frozen layer stay. A layer has a bias, too: both are frozen.",
        ),
        Mistake(
            "only missing gradients are frozen",
            only_missing_gradients_are_frozen,
            "frozen is never used: a layer that has a gradient learns, even where it is listed. A "
            "listed layer stays, whatever grads holds for it.",
        ),
        Mistake(
            "decay beside the velocity",
            decay_beside_the_velocity,
            "The decay acts on θ directly, beside the velocity: that is the decoupled kind. Here "
            "it belongs to the gradient, u ← αu − γ(g + λθ).",
        ),
        Mistake(
            "decay forgotten",
            step_without_decay,
            "weight_decay is never used: the gradient of a learning layer is g + λθ.",
        ),
        Mistake(
            "biases not decayed",
            biases_not_decayed,
            "The biases get no weight decay. Many programs do that; here λ acts on w and b alike.",
        ),
        Mistake(
            "rate outside the velocity",
            rate_outside_the_velocity,
            "Your velocity is a sum of gradients and the rate comes after. Here it is inside: "
            "u ← αu − γ(g + λθ), θ ← θ + u.",
        ),
        Mistake(
            "brackets of the decay forgotten",
            brackets_of_the_decay_forgotten,
            "−γ reaches only the gradient, and λθ is added: the weights grow. Both belong into the "
            "brackets, −γ(g + λθ).",
        ),
        Mistake(
            "decay without the rate",
            decay_without_the_rate,
            "The decay is λθ without the rate. It belongs into the brackets: −γ(g + λθ).",
        ),
        Mistake(
            "velocity against the step",
            velocity_against_the_step,
            "Your velocity has the other sign: u ← αu + γ(g + λθ) and θ − u. Here it points where "
            "θ goes: u ← αu − γ(g + λθ) and θ + u.",
        ),
        Mistake(
            "step by the old velocity",
            step_by_the_old_velocity,
            "θ moves by the velocity from before the step. First comes the new u, then θ ← θ + u "
            "with it.",
        ),
        Mistake(
            "uphill",
            step_uphill,
            "The step goes up the slope: u ← αu − γ(g + λθ) has a minus, and u is added to θ.",
        ),
    ),
    honest=(step_on_copies, step_with_decay_apart, step_entry_by_entry),
)


# --- which layer learns how fast -------------------------------------------------------------


def layer_rates(
    layers: int, epoch: int, *, lr: float, factor: float = 2.6, every: int = 1
) -> list[float]:
    """Return each layer's rate when the layers are released one by one, from the top down."""
    released = 1 + epoch // every
    depths = range(layers - 1, -1, -1)
    return [lr / factor**depth if depth < released else 0.0 for depth in depths]


def as_number(value: Any) -> float:
    """Return one entry of a list of rates as a number.

    Raises:
        WrongKind: it is none.
    """
    if type(value) in (int, float) or (type(value) is np.ndarray and value.ndim == 0):
        return float(value)
    raise WrongKind(f"expected a list of numbers, got {describe(value)} in it")


def look_at_the_rates(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once; a list of numbers is as good as an array."""
    seen = function(**inputs)
    if type(seen) in (list, tuple):
        seen = np.array([as_number(rate) for rate in seen])
    if isinstance(seen, np.ndarray) and seen.dtype.kind in "iu":
        seen = seen.astype(float)
    yield "the rates", seen
    if isinstance(seen, np.ndarray):  # a tiny rate is lost in the rounding of the others
        yield "which rates are exactly 0", seen == 0


def rates_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(layers: int, epoch: int, **hyper: Any) -> dict[str, Any]:
        lr = float(rng.choice([0.1, 0.2, 0.3])) * float(rng.uniform(0.8, 1.2))
        return {"layers": layers, "epoch": epoch, "lr": lr} | hyper

    factor = float(rng.choice([1.5, 2.0, 3.0]))
    every = int(rng.choice([3, 4]))
    yield Case("first", "four layers, the first epoch", inputs(4, 0))
    yield Case("first", "five layers, the first epoch", inputs(5, 0, factor=factor, every=every))
    yield Case("released", "four layers, epoch 1", inputs(4, 1, factor=factor))
    yield Case("released", "six layers, epoch 3", inputs(6, 3))
    yield Case("released", "just before a release", inputs(10, 2 * every - 1, every=every))
    yield Case("released", "just at a release", inputs(10, 2 * every, factor=factor, every=every))
    yield Case("released", "an epoch after a release", inputs(10, 2 * every + 1, every=every))
    yield Case("late", "long after the last release", inputs(4, 25, factor=factor, every=every))
    yield Case("late", "a factor of 1", inputs(3, 9, factor=1.0, every=every))
    yield Case("late", "the epoch of the last release", inputs(4, 3, factor=factor))


def head_first_in_the_list(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    return [lr / factor**d if d < released else 0.0 for d in range(layers)]


def released_from_the_bottom(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    return [lr / factor ** (layers - 1 - k) if k < released else 0.0 for k in range(layers)]


def one_release_too_late(layers, epoch, *, lr, factor=2.6, every=1):
    released = epoch // every
    return [
        lr / factor ** (layers - 1 - k) if layers - 1 - k < released else 0.0 for k in range(layers)
    ]


def one_release_too_early(layers, epoch, *, lr, factor=2.6, every=1):
    released = 2 + epoch // every
    return [
        lr / factor ** (layers - 1 - k) if layers - 1 - k < released else 0.0 for k in range(layers)
    ]


def released_a_round_early(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch / every
    depths = range(layers - 1, -1, -1)
    return [lr / factor**depth if depth < released else 0.0 for depth in depths]


def released_an_epoch_early(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + (epoch + 1) // every
    depths = range(layers - 1, -1, -1)
    return [lr / factor**depth if depth < released else 0.0 for depth in depths]


def released_an_epoch_late(layers, epoch, *, lr, factor=2.6, every=1):
    depths = range(layers - 1, -1, -1)
    return [lr / factor**d if d == 0 or epoch > d * every else 0.0 for d in depths]


def every_ignored(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch
    return [
        lr / factor ** (layers - 1 - k) if layers - 1 - k < released else 0.0 for k in range(layers)
    ]


def factor_ignored(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    return [lr if layers - 1 - k < released else 0.0 for k in range(layers)]


def factor_once_for_all_below(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    rates = [lr / factor if layers - 1 - k < released else 0.0 for k in range(layers)]
    rates[-1] = lr
    return rates


def factor_times_the_depth(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    rates = [lr / (factor * d) if 0 < d < released else 0.0 for d in reversed(range(layers))]
    rates[-1] = lr
    return rates


def powers_counted_from_the_bottom(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    return [lr / factor**k if layers - 1 - k < released else 0.0 for k in range(layers)]


def lower_layers_faster(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    return [
        lr * factor ** (layers - 1 - k) if layers - 1 - k < released else 0.0 for k in range(layers)
    ]


def full_rate_at_the_lowest(layers, epoch, *, lr, factor=2.6, every=1):
    released = min(1 + epoch // every, layers)
    frozen = layers - released
    return [lr / factor ** (k - frozen) if k >= frozen else 0.0 for k in range(layers)]


def head_a_factor_lower(layers, epoch, *, lr, factor=2.6, every=1):
    released = 1 + epoch // every
    return [
        lr / factor ** (layers - k) if layers - 1 - k < released else 0.0 for k in range(layers)
    ]


def nothing_is_frozen(layers, epoch, *, lr, factor=2.6, every=1):
    return [lr / factor ** (layers - 1 - k) for k in range(layers)]


def only_the_newest_learns(layers, epoch, *, lr, factor=2.6, every=1):
    newest = min(epoch // every, layers - 1)
    return [lr / factor**d if d == newest else 0.0 for d in reversed(range(layers))]


def frozen_layers_left_out(layers, epoch, *, lr, factor=2.6, every=1):
    released = min(1 + epoch // every, layers)
    return [lr / factor**d for d in reversed(range(released))]


def rates_in_an_array(layers, epoch, *, lr, factor=2.6, every=1):
    depth = np.arange(layers)[::-1]
    return np.where(depth * every <= epoch, lr * factor ** (-1.0 * depth), 0.0)


def rates_from_the_top(layers, epoch, *, lr, factor=2.6, every=1):
    rates = [0.0] * layers
    rate, release, k = lr, 0, layers - 1
    while k >= 0 and release <= epoch:
        rates[k] = rate
        rate, release, k = rate / factor, release + every, k - 1
    return rates


def rates_in_a_tuple(layers, epoch, *, lr, factor=2.6, every=1):
    released = min(1 + int(epoch / every), layers)
    low = (0.0,) * (layers - released)
    return low + tuple(lr * (1 / factor) ** d for d in range(released - 1, -1, -1))


LAYER_RATES = Exercise(
    reference=layer_rates,
    summary="a rate for each layer, released from the top down",
    parts=(
        Part("first", 1, "the first epoch: the head alone"),
        Part("released", 2, "some layers released"),
        Part("late", 1, "all layers released"),
    ),
    cases=rates_cases,
    run=look_at_the_rates,
    mistakes=(
        Mistake(
            "head first in the list",
            head_first_in_the_list,
            "The list begins with the head. Layers are counted from the input: rates[0] is the "
            "lowest layer's, rates[-1] the head's.",
        ),
        Mistake(
            "released from the bottom",
            released_from_the_bottom,
            "The lowest layer is released first. It is the most general one and learns last; the "
            "head, which is new, learns first.",
        ),
        Mistake(
            "one release too late",
            one_release_too_late,
            "In epoch 0 nothing learns. The head learns from the start: 1 + epoch // every layers "
            "are released.",
        ),
        Mistake(
            "one release too early",
            one_release_too_early,
            "One layer too many is released. In epoch 0 the head learns alone: 1 + epoch // every.",
        ),
        Mistake(
            "every ignored",
            every_ignored,
            "every is never used: a layer is released in each epoch. It should take so many epochs "
            "from one release to the next.",
        ),
        Mistake(
            "rounded up",
            released_a_round_early,
            "epoch / every is not rounded down, so the next layer is released as soon as an epoch "
            "has passed, not when every epochs have: 1 + epoch // every.",
        ),
        Mistake(
            "released an epoch early",
            released_an_epoch_early,
            "Each layer is released one epoch early. Epochs count from 0: 1 + epoch // every.",
        ),
        Mistake(
            "released an epoch late",
            released_an_epoch_late,
            "Each layer is released one epoch late. In epoch every the second layer learns "
            "already: 1 + epoch // every, so d <= epoch // every.",
        ),
        Mistake(
            "factor ignored",
            factor_ignored,
            "All released layers get the head's rate. With each layer further down the rate is "
            "divided by factor once more.",
        ),
        Mistake(
            "factor used once for all",
            factor_once_for_all_below,
            "All layers below the head get lr / factor. The factor adds up on the way down: d "
            "layers below the head it is factor ** d.",
        ),
        Mistake(
            "factor times the depth",
            factor_times_the_depth,
            "The rate is divided by factor · d. Each layer further down divides once more: "
            "factor ** d.",
        ),
        Mistake(
            "powers counted from the bottom",
            powers_counted_from_the_bottom,
            "The power of factor is the layer's number, so the head gets the smallest rate. It is "
            "the number of layers between it and the head, layers − 1 − k.",
        ),
        Mistake(
            "lower layers faster",
            lower_layers_faster,
            "The rate grows on the way down. Lower layers need the least change: divide by factor.",
        ),
        Mistake(
            "full rate at the lowest",
            full_rate_at_the_lowest,
            "The lowest released layer gets lr and the head the smallest rate. It is the other way "
            "round: the head learns with lr.",
        ),
        Mistake(
            "head a factor lower",
            head_a_factor_lower,
            "Every rate is one factor too small: the head is 0 layers below itself and learns with "
            "lr.",
        ),
        Mistake(
            "nothing is frozen",
            nothing_is_frozen,
            "epoch is never used: every layer learns from the start. What is not yet released has "
            "the rate 0.",
        ),
        Mistake(
            "only the newest learns",
            only_the_newest_learns,
            "Only the layer that was released last learns. Those above it go on learning.",
        ),
        Mistake(
            "frozen layers left out",
            frozen_layers_left_out,
            "The list lacks the frozen layers. Give one rate for each layer, 0 for a frozen one.",
        ),
    ),
    honest=(rates_in_an_array, rates_from_the_top, rates_in_a_tuple),
)


# --- one donor, several tasks ----------------------------------------------------------------


def rising_gradients(task, network):
    """Made-up gradients that know the task, each layer's place and all the other layers."""
    whole = float(sum(array.mean() for layer in network for array in layer.values()))
    return [
        {key: np.sin(array + 0.7 * (k + 1) + 1.3 * task + whole) for key, array in layer.items()}
        for k, layer in enumerate(network)
    ]


def networks_from_donor(
    donor: Network,
    classes: Sequence[int],
    rng: np.random.Generator,
    gradients: Callable[..., Any],
    *,
    count: int,
    lr: float,
    steps: int,
) -> list[Network]:
    """Return a trained network for each task: copies of the donor's lower layers and a new head."""
    networks = []
    for task, outputs in enumerate(classes):
        w = donor[count - 1]["w"]
        head = rng.standard_normal((w.shape[1], outputs)) / np.sqrt(w.shape[1])
        network = [{key: array.copy() for key, array in layer.items()} for layer in donor[:count]]
        network.append({"w": head.astype(w.dtype), "b": np.zeros(outputs, w.dtype)})
        for _ in range(steps):
            for layer, grads in zip(network, gradients(task, network), strict=True):
                for key in layer:
                    layer[key] -= lr * grads[key]
        networks.append(network)
    return networks


def look_at_the_networks(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at every array of every network."""
    given = {key: value for key, value in inputs.items() if key != "seed"}
    result = function(**given, rng=np.random.default_rng(inputs["seed"]))
    networks = as_list(result, "networks", len(inputs["classes"]))
    for task, layers in enumerate(networks):
        network = as_list(layers, f"layers for networks[{task}]", inputs["count"] + 1)
        for k, layer in enumerate(network):
            for key in ("w", "b"):
                yield f"networks[{task}][{k}][{key!r}]", item(layer, f"networks[{task}][{k}]", key)


def networks_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        sizes: Sequence[int], classes: list[int], count: int, steps: int = 2
    ) -> dict[str, Any]:
        return {
            "donor": draw_layers(rng, sizes),
            "classes": classes,
            "seed": int(rng.integers(2**32)),
            "gradients": rising_gradients,
            "count": count,
            "lr": float(rng.choice([0.1, 0.2, 0.3])),
            "steps": steps,
        }

    yield Case("one", "two of three layers, before any step", inputs((3, 5, 4, 2), [3], 2, 0))
    yield Case("one", "one of four layers, one step", inputs((4, 3, 5, 3, 2), [4], 1, 1))
    yield Case("one", "all layers but the head, three steps", inputs((3, 4, 6, 3, 2), [5], 3, 3))
    yield Case("several", "two tasks", inputs((3, 5, 4, 2), [3, 2], 2))
    yield Case("several", "three tasks", inputs((2, 4, 3, 5), [2, 4, 2], 1, 3))
    yield Case("dtype", "in float32", as_float32(inputs((3, 5, 4, 2), [3, 2], 2)))


def donors_own_arrays(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            for layer, g in zip(network, gradients(task, network), strict=True):
                layer["w"] -= lr * g["w"]
                layer["b"] -= lr * g["b"]
        networks.append(network)
    return networks


def next_task_starts_where_the_last_ended(donor, classes, rng, gradients, *, count, lr, steps):
    networks, lower = [], donor[:count]
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*lower, {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
        lower = network[:count]
    return networks


def copied_layers_stay(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            g = gradients(task, network)[-1]
            head = {key: network[-1][key] - lr * g[key] for key in ("w", "b")}
            network = [*network[:-1], head]
        networks.append(network)
    return networks


def head_stays(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            lower = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network[:-1], grads[:-1], strict=True)
            ]
            network = [*lower, network[-1]]
        networks.append(network)
    return networks


def head_not_scaled(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = rng.standard_normal((n, outputs)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def head_as_he(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) * np.sqrt(2 / n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def head_scaled_without_the_root(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / n).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def head_scaled_by_its_outputs(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(outputs)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def head_drawn_in_its_dtype(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n, dtype = donor[count - 1]["w"].shape[1], donor[0]["w"].dtype
        w = (rng.standard_normal((n, outputs), dtype=dtype) / np.sqrt(n)).astype(dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def biases_stay(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {"w": layer["w"] - lr * g["w"], "b": layer["b"]}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def head_of_zeros(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = np.zeros((n, outputs), donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def bias_drawn_too(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        b = (rng.standard_normal(outputs) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": b}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def biases_not_copied(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        lower = [{"w": layer["w"], "b": np.zeros_like(layer["b"])} for layer in donor[:count]]
        network = [*lower, {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def all_but_the_head_copied(donor, classes, rng, gradients, *, count, lr, steps):
    networks, count = [], len(donor) - 1
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def gradients_taken_once(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        grads = gradients(task, network)
        for _ in range(steps):
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def layers_one_after_another(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            for k in range(len(network)):
                g = gradients(task, network)[k]
                network[k] = {key: network[k][key] - lr * g[key] for key in g}
        networks.append(network)
    return networks


def always_the_first_task(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for outputs in classes:
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(0, network)
            network = [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def one_step_only(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        grads = gradients(task, network)
        networks.append(
            [
                {key: layer[key] - lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        )
    return networks


def uphill(donor, classes, rng, gradients, *, count, lr, steps):
    networks = []
    for task, outputs in enumerate(classes):
        n = donor[count - 1]["w"].shape[1]
        w = (rng.standard_normal((n, outputs)) / np.sqrt(n)).astype(donor[0]["w"].dtype)
        network = [*donor[:count], {"w": w, "b": np.zeros(outputs, w.dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            network = [
                {key: layer[key] + lr * g[key] for key in layer}
                for layer, g in zip(network, grads, strict=True)
            ]
        networks.append(network)
    return networks


def networks_by_deep_copies(donor, classes, rng, gradients, *, count, lr, steps):
    import copy

    networks = []
    for task, outputs in enumerate(classes):
        network = copy.deepcopy(donor[:count])
        fan_in, dtype = len(network[-1]["b"]), network[-1]["b"].dtype
        w = rng.standard_normal((fan_in, outputs)) * fan_in**-0.5
        network += [{"w": w.astype(dtype), "b": np.zeros(outputs, dtype=dtype)}]
        for _ in range(steps):
            grads = gradients(task, network)
            for k in range(count + 1):
                network[k]["w"] -= lr * grads[k]["w"]
                network[k]["b"] -= lr * grads[k]["b"]
        networks += [network]
    return networks


def networks_without_changing_anything(donor, classes, rng, gradients, *, count, lr, steps):
    def head(outputs):
        fan_in = donor[count]["w"].shape[0]
        w = rng.standard_normal((fan_in, outputs)) / np.sqrt(fan_in)
        return {
            "w": w.astype(donor[0]["w"].dtype),
            "b": np.zeros_like(donor[0]["b"], shape=outputs),
        }

    def trained(task, network):
        for _ in range(steps):
            pairs = zip(network, gradients(task, network), strict=True)
            network = [{key: a - lr * g[key] for key, a in layer.items()} for layer, g in pairs]
        return network

    starts = [[*donor[:count], head(outputs)] for outputs in classes]
    return [trained(task, network) for task, network in enumerate(starts)]


def networks_with_all_heads_first(donor, classes, rng, gradients, *, count, lr, steps):
    fan_in, dtype = donor[count - 1]["w"].shape[1], donor[0]["b"].dtype
    heads = [rng.normal(0.0, 1 / np.sqrt(fan_in), (fan_in, n)).astype(dtype) for n in classes]
    networks = [
        [
            *({"w": np.array(layer["w"]), "b": np.array(layer["b"])} for layer in donor[:count]),
            {"w": w, "b": np.zeros(w.shape[1], dtype)},
        ]
        for w in heads
    ]
    for _ in range(steps):
        for task, network in enumerate(networks):
            for layer, slope in zip(network, gradients(task, network), strict=True):
                for key in slope:
                    layer[key] = layer[key] - lr * slope[key]
    return tuple(networks)


NETWORKS_FROM_DONOR = Exercise(
    reference=networks_from_donor,
    summary="networks for several tasks on copies of one donor's lower layers",
    parts=(
        Part("one", 2.5, "one task"),
        Part("several", 2, "several tasks from one donor"),
        DTYPE,
        Part("inputs", 1, "leaves the donor as it is", kind="inputs"),
    ),
    cases=networks_cases,
    run=look_at_the_networks,
    scale=1.0,
    mistakes=(
        Mistake(
            "arrays shared by all networks",
            donors_own_arrays,
            "All networks hold the same arrays, the donor's own or those of one copy, so each step "
            "writes into all at once. A slice, list(...) or dict(...) copies no array. Copy each "
            "one for each task with .copy(), or make new ones: layer[key] = layer[key] - ...",
        ),
        Mistake(
            "next task starts where the last ended",
            next_task_starts_where_the_last_ended,
            "The second network goes on with the layers that the first has trained. Every task "
            "starts from the donor.",
        ),
        Mistake(
            "copied layers stay",
            copied_layers_stay,
            "Only the head learns. Nothing is frozen here: every layer makes its steps.",
        ),
        Mistake(
            "the head stays",
            head_stays,
            "The copied layers learn and the head does not. Every layer makes its steps.",
        ),
        Mistake(
            "biases stay",
            biases_stay,
            "Only the weights learn. Every layer makes its steps with w and with b.",
        ),
        Mistake(
            "head not scaled",
            head_not_scaled,
            "The head's weights are not scaled: divide the normal numbers by √fan_in.",
        ),
        Mistake(
            "head scaled as He",
            head_as_he,
            "The head has He's scale √(2/fan_in). That is for layers before a ReLU; here it is "
            "1/√fan_in.",
        ),
        Mistake(
            "head scaled without the root",
            head_scaled_without_the_root,
            "The head's weights are divided by fan_in. Divide by its root: the variance is "
            "1/fan_in.",
        ),
        Mistake(
            "head scaled by its outputs",
            head_scaled_by_its_outputs,
            "The head is scaled by the number of its outputs. What counts is how many inputs are "
            "summed: fan_in, the width of the last copied layer.",
        ),
        Mistake(
            "head drawn in float32",
            head_drawn_in_its_dtype,
            "The head is drawn in the donor's dtype, and for float32 the generator gives other "
            "numbers. Draw, divide, and bring the result to the dtype with astype.",
        ),
        Mistake(
            "head of zeros",
            head_of_zeros,
            "The head's weights start at 0. The text asks for normal numbers divided by √fan_in.",
        ),
        Mistake(
            "bias drawn, too",
            bias_drawn_too,
            "The head's bias is drawn as well. It starts at 0, and a draw more shifts all that "
            "follow.",
        ),
        Mistake(
            "biases not copied",
            biases_not_copied,
            "The copied layers start with biases of 0. What a layer has learned is in w and b.",
        ),
        Mistake(
            "all but the head copied",
            all_but_the_head_copied,
            "count is never used: all hidden layers are copied. Only the lowest count are.",
        ),
        Mistake(
            "gradients taken once",
            gradients_taken_once,
            "All steps use the gradients of the start. Ask for them again before each step.",
        ),
        Mistake(
            "layers one after another",
            layers_one_after_another,
            "Within a step you ask for the gradients again for each layer, when those below have "
            "moved already. One step: ask once, then move all layers.",
        ),
        Mistake(
            "always the first task",
            always_the_first_task,
            "All networks are trained on task 0. Hand gradients the number of the task.",
        ),
        Mistake(
            "one step only",
            one_step_only,
            "Each network makes one step. It should make so many as steps says, none where that "
            "is 0.",
        ),
        Mistake(
            "uphill",
            uphill,
            "The steps go up the slope. Subtract lr times the gradient.",
        ),
    ),
    honest=(
        networks_by_deep_copies,
        networks_without_changing_anything,
        networks_with_all_heads_first,
    ),
)


# --- an autoencoder's gradients --------------------------------------------------------------


def autoencoder_grads(
    x: Array, w: Array, b: Array, c: Array, *, keep: Array | None = None
) -> tuple[Array, dict[str, Array]]:
    """Return the loss of an autoencoder with tied weights, and the gradients of w, b and c."""
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / error.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def look_at_the_loss(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at what this case asks for."""
    given = {key: value for key, value in inputs.items() if key != "looked at"}
    loss, grads = unpack(function(**given), "loss", "grads")
    if inputs["looked at"] != "grads":
        yield "the loss", loss
    if inputs["looked at"] != "loss":
        for key in ("c", "b", "w"):
            yield f"grads[{key!r}]", item(grads, "grads", key)


def autoencoder_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        looked_at: str, samples: int, features: int, units: int, erased: bool = False
    ) -> dict[str, Any]:
        given = {
            "x": rng.normal(size=(samples, features)),
            "w": rng.normal(size=(features, units)) / np.sqrt(features),
            "b": rng.normal(size=units) / 2,
            "c": rng.normal(size=features) / 2,
        }
        if erased:
            keep = np.ones((samples, features))
            keep.flat[rng.permutation(keep.size)[: keep.size // 3]] = 0.0
            given["keep"] = keep
        return given | {"looked at": looked_at}

    yield Case("loss", "the loss, one sample", inputs("loss", 1, 4, 2))
    yield Case("loss", "the loss, five samples", inputs("loss", 5, 4, 3))
    yield Case("gradients", "the gradients, one sample", inputs("grads", 1, 3, 2))
    yield Case("gradients", "the gradients, six samples", inputs("grads", 6, 5, 3))
    yield Case("gradients", "more units than features", inputs("grads", 3, 2, 4))
    yield Case("denoising", "a third of the entries erased", inputs("both", 4, 6, 3, erased=True))
    yield Case("denoising", "erased, as many units", inputs("both", 5, 3, 3, erased=True))
    yield Case("dtype", "in float32", as_float32(inputs("both", 4, 5, 3, erased=True)))


def encoders_share_only(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    return np.mean(error**2), {"w": seen.T @ d, "b": d.sum(axis=0), "c": g.sum(axis=0)}


def decoders_share_only(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    return np.mean(error**2), {"w": g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}


def shares_averaged(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": (seen.T @ d + g.T @ h) / 2, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def erased_input_as_target(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - seen
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def keep_ignored(x, w, b, c, *, keep=None):
    h = np.tanh(x @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": x.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def whole_input_on_the_way_back(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": x.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def keep_the_wrong_way_round(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * (1 - keep)
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def gradient_erased_too(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    if keep is not None:
        g = g * keep
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def kept_entries_enlarged(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep / keep.mean()
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def only_erased_entries_judged(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    if keep is not None:
        error = error * (1 - keep)
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def only_kept_entries_judged(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    if keep is not None:
        error = error * keep
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def decoders_bias_left_out(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def tanhs_slope_forgotten(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = g @ w
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def tanh_at_the_output(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    output = np.tanh(h @ w.T + c)
    error = output - x
    g = 2 * error / x.size * (1 - output**2)
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def two_forgotten(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def half_of_the_mean(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2) / 2, grads


def biases_averaged(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.mean(axis=0), "c": g.mean(axis=0)}
    return np.mean(error**2), grads


def summed_over_all_entries(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.sum(error**2), grads


def summed_over_the_features(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / len(x)
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.sum(error**2) / len(x), grads


def gradient_divided_by_samples_only(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = h @ w.T + c - x
    g = 2 * error / len(x)
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def target_minus_output(x, w, b, c, *, keep=None):
    seen = x if keep is None else x * keep
    h = np.tanh(seen @ w + b)
    error = x - (h @ w.T + c)
    g = 2 * error / x.size
    d = (g @ w) * (1 - h**2)
    grads = {"w": seen.T @ d + g.T @ h, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return np.mean(error**2), grads


def autoencoder_untied_first(x, w, b, c, *, keep=None):
    seen = x.copy()
    if keep is not None:
        seen *= keep
    v = w.T
    h = np.tanh(seen @ w + b)
    error = (h @ v + c) - x
    samples, features = x.shape
    g = error * 2 / (samples * features)
    grad_v = h.T @ g
    back = g @ v.T
    back = back - back * h * h
    grad_w = seen.T @ back
    loss = (error * error).sum() / (samples * features)
    return loss, {"w": grad_w + grad_v.T, "b": back.sum(axis=0), "c": g.sum(axis=0)}


def autoencoder_sample_by_sample(x, w, b, c, *, keep=None):
    grads = {"w": np.zeros_like(w), "b": np.zeros_like(b), "c": np.zeros_like(c)}
    loss = np.zeros((), dtype=x.dtype)
    for n in range(len(x)):
        seen = x[n] if keep is None else np.where(keep[n] > 0, x[n], np.zeros_like(x[n]))
        h = np.tanh(w.T @ seen + b)
        error = w @ h + c - x[n]
        loss = loss + (error @ error) / x.size
        g = 2 * error / x.size
        d = (w.T @ g) * (1 - h) * (1 + h)
        grads["w"] += np.outer(seen, d) + np.outer(g, h)
        grads["b"] += d
        grads["c"] += g
    return loss, grads


def autoencoder_with_einsum(x, w, b, c, *, keep=None):
    if keep is None:
        keep = np.ones_like(x)
    h = np.tanh(np.einsum("nf,nf,fu->nu", x, keep, w) + b)
    error = np.einsum("nu,fu->nf", h, w) + c - x
    d = np.einsum("nf,fu->nu", error, w) * (1 - h**2)
    share = 2 / x.size
    grads = {
        "w": share * (np.einsum("nf,nu->fu", x * keep, d) + np.einsum("nf,nu->fu", error, h)),
        "b": share * np.einsum("nu->u", d),
        "c": share * np.einsum("nf->f", error),
    }
    return (error**2).mean(), grads


AUTOENCODER_GRADS = Exercise(
    reference=autoencoder_grads,
    summary="loss and gradients of a tied autoencoder, also a denoising one",
    parts=(
        Part("loss", 1, "the loss"),
        Part("gradients", 2.5, "the gradients of w, b and c"),
        Part("denoising", 1.5, "an input of which entries are erased"),
        DTYPE,
        INPUTS,
    ),
    cases=autoencoder_cases,
    run=look_at_the_loss,
    scale=1.0,
    mistakes=(
        Mistake(
            "the encoder's share only",
            encoders_share_only,
            "w gets only what comes through the encoder. With tied weights it decodes, too: add "
            "the decoder's share g.T @ h.",
        ),
        Mistake(
            "the decoder's share only",
            decoders_share_only,
            "w gets only what comes through the decoder. It encodes, too: add seen.T @ d.",
        ),
        Mistake(
            "shares averaged",
            shares_averaged,
            "The two shares of w are averaged. A number that acts twice gets the sum of both.",
        ),
        Mistake(
            "erased input as target",
            erased_input_as_target,
            "The output is compared with the erased input, so the network learns to erase. The "
            "target is the whole x.",
        ),
        Mistake(
            "keep ignored",
            keep_ignored,
            "keep is never used: the encoder sees the whole x. It should see x * keep.",
        ),
        Mistake(
            "keep the wrong way round",
            keep_the_wrong_way_round,
            "The encoder sees what should be erased. keep is 1 where an entry stays: x * keep.",
        ),
        Mistake(
            "gradient erased, too",
            gradient_erased_too,
            "g is set to 0 where the input was erased, so nothing there is learned to be restored. "
            "The loss is over all entries, and so is g.",
        ),
        Mistake(
            "whole input on the way back",
            whole_input_on_the_way_back,
            "The encoder's share of w is taken with the whole x. What w was multiplied with on the "
            "way forward is x * keep.",
        ),
        Mistake(
            "kept entries enlarged",
            kept_entries_enlarged,
            "What is kept is divided by the share that is kept, as in inverted dropout. Here the "
            "encoder sees x * keep, nothing more.",
        ),
        Mistake(
            "only erased entries judged",
            only_erased_entries_judged,
            "Only the erased entries count in the loss. Some methods do that; here the mean is "
            "over all entries.",
        ),
        Mistake(
            "only kept entries judged",
            only_kept_entries_judged,
            "What was erased does not count in the loss, so nothing is asked to be restored. The "
            "mean is over all entries.",
        ),
        Mistake(
            "decoder's bias left out",
            decoders_bias_left_out,
            "The output lacks the bias c: h @ w.T + c.",
        ),
        Mistake(
            "tanh's slope forgotten",
            tanhs_slope_forgotten,
            "The slope of the tanh is missing: d = (g @ w) * (1 − h²).",
        ),
        Mistake(
            "tanh at the output",
            tanh_at_the_output,
            "The output passes a tanh. Standardised inputs are not bounded by 1: it is linear, "
            "h @ w.T + c.",
        ),
        Mistake(
            "factor 2 forgotten",
            two_forgotten,
            "The gradients are half as large as they should be: the derivative of a square is 2 "
            "times the error.",
        ),
        Mistake(
            "half of the mean",
            half_of_the_mean,
            "The loss is half of the mean. Many books do that, to be rid of the 2 in the gradient; "
            "here both stay.",
        ),
        Mistake(
            "biases averaged",
            biases_averaged,
            "The gradients of b and c are means over the samples. g has the 1/(BD) already: the "
            "samples add up.",
        ),
        Mistake(
            "summed over the features",
            summed_over_the_features,
            "The loss is a sum over the features and a mean over the samples. Here it is the mean "
            "over all entries.",
        ),
        Mistake(
            "summed over all entries",
            summed_over_all_entries,
            "The loss is a sum over all entries. Here it is their mean: divide by x.size, in the "
            "loss and in g.",
        ),
        Mistake(
            "gradients divided by the samples only",
            gradient_divided_by_samples_only,
            "The loss is a mean over all entries, the gradients are divided by the samples only: "
            "divide by x.size.",
        ),
        Mistake(
            "target minus output",
            target_minus_output,
            "The error is target minus output: the loss is the same, and all gradients have the "
            "other sign.",
        ),
    ),
    honest=(autoencoder_untied_first, autoencoder_sample_by_sample, autoencoder_with_einsum),
)


# --- layer by layer --------------------------------------------------------------------------


def restoring_gradients(h, layer):
    """The gradients of a tied autoencoder of h, as in the exercise before."""
    w, code = layer["w"], np.tanh(h @ layer["w"] + layer["b"])
    g = 2 * (code @ w.T + layer["c"] - h) / h.size
    d = (g @ w) * (1 - code**2)
    return {"w": h.T @ d + g.T @ code, "b": d.sum(axis=0), "c": g.sum(axis=0)}


def restoring_gradients_with_decay(h, layer):
    """The same and weight decay, so that whoever does not ask for gradients is found."""
    w, code = layer["w"], np.tanh(h @ layer["w"] + layer["b"])
    g = 2 * (code @ w.T + layer["c"] - h) / h.size
    d = (g @ w) * (1 - code**2)
    grads = {"w": h.T @ d + g.T @ code, "b": d.sum(axis=0), "c": g.sum(axis=0)}
    return {key: grad + layer[key] / 8 for key, grad in grads.items()}


def greedy_layers(
    x: Array, start: Network, gradients: Callable[..., Any], *, lr: float, steps: int
) -> tuple[Network, list[Array]]:
    """Return layers trained one after another as autoencoders, and the codes they give."""
    h, layers, codes = x, [], []
    for first in start:
        layer = dict(first)
        for _ in range(steps):
            grads = gradients(h, layer)
            layer = {key: layer[key] - lr * grads[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def look_at_the_layers(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at every layer and every code."""
    layers, codes = unpack(function(**inputs), "layers", "codes")
    count = len(inputs["start"])
    layers, codes = as_list(layers, "layers", count), as_list(codes, "codes", count)
    for k in range(count):
        for key in ("w", "b", "c"):
            yield f"layers[{k}][{key!r}]", item(layers[k], f"layers[{k}]", key)
        yield f"codes[{k}]", codes[k]


def greedy_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        samples: int, sizes: Sequence[int], steps: int, gradients: Any = restoring_gradients
    ) -> dict[str, Any]:
        start = draw_layers(rng, sizes)
        for layer in start:
            layer["c"] = rng.normal(size=len(layer["w"])) / 2
        lr = float(rng.choice([0.2, 0.3, 0.5]))
        x = rng.normal(size=(samples, sizes[0]))
        return {"x": x, "start": start, "gradients": gradients, "lr": lr, "steps": steps}

    decayed = restoring_gradients_with_decay
    yield Case("one", "one layer of fewer units, one step", inputs(4, (5, 3), 1))
    yield Case("one", "one layer, four steps", inputs(5, (4, 4), 4))
    yield Case("several", "two layers, three steps", inputs(4, (3, 3, 3), 3))
    yield Case("several", "three layers, five steps", inputs(6, (4, 4, 4, 4), 5))
    yield Case("several", "two layers, no step", inputs(3, (3, 3, 3), 0))
    yield Case("several", "gradients with weight decay", inputs(4, (3, 3, 3), 2, decayed))
    yield Case("dtype", "in float32", as_float32(inputs(4, (3, 3, 3), 3)))


def every_layer_sees_x(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(x, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def layers_side_by_side(x, start, gradients, *, lr, steps):
    layers, codes = [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(x, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        layers.append(layer)
        codes.append(np.tanh(x @ layer["w"] + layer["b"]))
    return layers, codes


def gradients_never_asked(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            w, code = layer["w"], np.tanh(h @ layer["w"] + layer["b"])
            g = 2 * (code @ w.T + layer["c"] - h) / h.size
            d = (g @ w) * (1 - code**2)
            grads = {"w": h.T @ d + g.T @ code, "b": d.sum(axis=0), "c": g.sum(axis=0)}
            layer = {key: layer[key] - lr * grads[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def input_moves_on_with_each_step(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        code = np.tanh(h @ layer["w"] + layer["b"])
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
            h = code = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(code)
        h = code
    return layers, codes


def codes_of_the_untrained_layers(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        code = np.tanh(h @ layer["w"] + layer["b"])
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = code
        layers.append(layer)
        codes.append(h)
    return layers, codes


def code_without_the_tanh(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = h @ layer["w"] + layer["b"]
        layers.append(layer)
        codes.append(h)
    return layers, codes


def bias_left_out_of_the_code(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def reconstruction_handed_on(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        code = np.tanh(h @ layer["w"] + layer["b"])
        h = code @ layer["w"].T + layer["c"]
        layers.append(layer)
        codes.append(code)
    return layers, codes


def gradient_of_the_start(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        g = gradients(h, layer)
        for _ in range(steps):
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def one_step_for_each_layer(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        g = gradients(h, layer)
        layer = {key: layer[key] - lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def decoders_bias_not_trained(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(h, layer)
            layer = layer | {key: layer[key] - lr * g[key] for key in ("w", "b")}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def steps_in_turns(x, start, gradients, *, lr, steps):
    layers = list(start)
    for _ in range(steps):
        h = x
        for k, layer in enumerate(layers):
            g = gradients(h, layer)
            layers[k] = {key: layer[key] - lr * g[key] for key in layer}
            h = np.tanh(h @ layers[k]["w"] + layers[k]["b"])
    codes, h = [], x
    for layer in layers:
        h = np.tanh(h @ layer["w"] + layer["b"])
        codes.append(h)
    return layers, codes


def layers_from_the_top(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start[::-1]:
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def inputs_instead_of_codes(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        codes.append(h)
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] - lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
    return layers, codes


def one_entry_after_another(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        layer = dict(layer)
        for _ in range(steps):
            for key in ("w", "b", "c"):
                layer[key] = layer[key] - lr * gradients(h, layer)[key]
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def greedy_uphill(x, start, gradients, *, lr, steps):
    h, layers, codes = x, [], []
    for layer in start:
        for _ in range(steps):
            g = gradients(h, layer)
            layer = {key: layer[key] + lr * g[key] for key in layer}
        h = np.tanh(h @ layer["w"] + layer["b"])
        layers.append(layer)
        codes.append(h)
    return layers, codes


def greedy_on_copies(x, start, gradients, *, lr, steps):
    import copy

    layers, codes = copy.deepcopy(start), [x]
    for layer in layers:
        for _ in range(steps):
            for key, slope in gradients(codes[-1], layer).items():
                layer[key] -= lr * slope
        codes.append(np.tanh(codes[-1] @ layer["w"] + layer["b"]))
    return layers, codes[1:]


def greedy_by_recursion(x, start, gradients, *, lr, steps):
    if len(start) == 0:
        return [], []
    layer = {key: value.copy() for key, value in start[0].items()}
    for _ in range(steps):
        g = gradients(x, layer)
        layer = {"w": layer["w"] - lr * g["w"], "b": layer["b"] - lr * g["b"], "c": layer["c"] - lr * g["c"]}  # fmt: skip # noqa: E501
    code = np.tanh(x @ layer["w"] + layer["b"])
    layers, codes = greedy_layers(code, start[1:], gradients, lr=lr, steps=steps)
    return [layer, *layers], [code, *codes]


def greedy_with_the_code_made_anew(x, start, gradients, *, lr, steps):
    def code(layers):
        h = x
        for layer in layers:
            h = np.tanh(np.einsum("nf,fu->nu", h, layer["w"]) + layer["b"])
        return h

    done = []
    for layer in start:
        for _ in range(steps):
            g = gradients(code(done), layer)
            layer = {key: value - g[key] * lr for key, value in layer.items()}
        done.append(layer)
    return tuple(done), tuple(code(done[: k + 1]) for k in range(len(done)))


GREEDY_LAYERS = Exercise(
    reference=greedy_layers,
    summary="layers trained one after another, each as an autoencoder",
    parts=(
        Part("one", 1.5, "one layer"),
        Part("several", 2.5, "layers on top of each other"),
        DTYPE,
        INPUTS,
    ),
    cases=greedy_cases,
    run=look_at_the_layers,
    scale=1.0,
    mistakes=(
        Mistake(
            "every layer sees x",
            every_layer_sees_x,
            "Every layer is trained on x. Layer l restores what the layer below gives: its input "
            "is the code h.",
        ),
        Mistake(
            "layers side by side",
            layers_side_by_side,
            "Every layer is trained on x, and every code is made from x: the layers stand side by "
            "side. After each layer its code takes the place of x.",
        ),
        Mistake(
            "gradients never asked",
            gradients_never_asked,
            "gradients is never used: you work the gradients out yourself. Take those that it "
            "gives, here with weight decay.",
        ),
        Mistake(
            "input moves on with each step",
            input_moves_on_with_each_step,
            "Within a layer's steps its input is replaced by its code. All steps of a layer see "
            "the same h; the code comes after the last one.",
        ),
        Mistake(
            "codes of the untrained layers",
            codes_of_the_untrained_layers,
            "The code is taken before the layer has learned. Train first, then hand on what the "
            "trained layer gives.",
        ),
        Mistake(
            "code without the tanh",
            code_without_the_tanh,
            "What is handed on lacks the tanh: the code is tanh(h @ w + b).",
        ),
        Mistake(
            "bias left out of the code",
            bias_left_out_of_the_code,
            "The code lacks the bias b: tanh(h @ w + b).",
        ),
        Mistake(
            "reconstruction handed on",
            reconstruction_handed_on,
            "The next layer gets the reconstruction. The decoder is thrown away: hand on the code.",
        ),
        Mistake(
            "gradients of the start",
            gradient_of_the_start,
            "All steps use the gradients of the start. Ask for them again before each step.",
        ),
        Mistake(
            "one entry after another",
            one_entry_after_another,
            "The gradients are asked for again within a step, after w has moved. Ask once before "
            "each step, then move w, b and c.",
        ),
        Mistake(
            "one step for each layer",
            one_step_for_each_layer,
            "Each layer makes one step. It should make so many as steps says, none where that is "
            "0.",
        ),
        Mistake(
            "decoder's bias not trained",
            decoders_bias_not_trained,
            "c never changes. It is a parameter of the autoencoder, even if it is thrown away "
            "later.",
        ),
        Mistake(
            "steps in turns",
            steps_in_turns,
            "The layers take turns, a step each. Greedy means: finish one layer, then begin the "
            "next.",
        ),
        Mistake(
            "layers from the top",
            layers_from_the_top,
            "The layers are trained in reverse order. start[0] is the lowest and sees x.",
        ),
        Mistake(
            "inputs instead of codes",
            inputs_instead_of_codes,
            "codes holds the inputs of the layers. codes[0] is what the lowest layer gives.",
        ),
        Mistake(
            "uphill",
            greedy_uphill,
            "The steps go up the slope. Subtract lr times the gradient.",
        ),
    ),
    honest=(greedy_on_copies, greedy_by_recursion, greedy_with_the_code_made_anew),
)


# --- an auxiliary task -----------------------------------------------------------------------


def rotation_batch(images: Array) -> tuple[Array, Array]:
    """Return every image in its four rotations, and how many quarter turns each has made."""
    side = round(images.shape[1] ** 0.5)
    square = images.reshape(-1, side, side)
    turned = [np.rot90(square, turns, axes=(1, 2)) for turns in range(4)]
    return np.concatenate(turned).reshape(-1, side * side), np.repeat(np.arange(4), len(images))


def is_integer(value: Any) -> bool:
    """Tell whether an entry of a list is a whole number, Python's or NumPy's."""
    return type(value) is int or (
        type(value) is np.ndarray and value.ndim == 0 and value.dtype.kind in "iu"
    )


def look_at_the_batch(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at what this case asks for."""
    x, turns = unpack(function(images=inputs["images"]), "x", "turns")
    yield "x", x
    if inputs["looked at"] == "both":
        if type(turns) in (list, tuple) and all(map(is_integer, turns)):
            turns = np.array(turns)
        if isinstance(turns, np.ndarray) and turns.dtype.kind not in "iu":
            raise WrongKind(f"expected turns to be integers, got {describe(turns)}")
        yield "turns", turns


def rotation_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(looked_at: str, samples: int, side: int) -> dict[str, Any]:
        return {"images": rng.normal(size=(samples, side * side)), "looked at": looked_at}

    yield Case("images", "one image of 2 × 2 pixels", inputs("x", 1, 2))
    yield Case("images", "three images of 4 × 4 pixels", inputs("x", 3, 4))
    yield Case("images", "two images of 5 × 5 pixels", inputs("x", 2, 5))
    yield Case("turns", "two images and their turns", inputs("both", 2, 3))
    yield Case("turns", "five images and their turns", inputs("both", 5, 2))
    yield Case("dtype", "in float32", as_float32(inputs("x", 3, 3)))


def clockwise(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, -k, axes=(1, 2)) for k in range(4)])
    return x.reshape(-1, n * n), np.repeat(np.arange(4), len(images))


def mirrored(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    t = np.transpose(x, (0, 2, 1))
    x = np.concatenate([x, t, x[:, ::-1], t[:, ::-1]])
    return x.reshape(-1, n * n), np.repeat(np.arange(4), len(images))


def image_by_image(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.stack([np.rot90(x, k, axes=(1, 2)) for k in range(4)], axis=1)
    return x.reshape(-1, n * n), np.tile(np.arange(4), len(images))


def images_in_another_order(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.stack([np.rot90(x, k, axes=(1, 2)) for k in range(4)], axis=1)
    return x.reshape(-1, n * n), np.repeat(np.arange(4), len(images))


def turned_over_the_batch(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, k).reshape(images.shape) for k in range(4)])
    return x, np.repeat(np.arange(4), len(images))


def turns_in_another_order(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, k, axes=(1, 2)) for k in range(4)])
    return x.reshape(-1, n * n), np.tile(np.arange(4), len(images))


def turns_in_degrees(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, k, axes=(1, 2)) for k in range(4)])
    return x.reshape(-1, n * n), np.repeat(90 * np.arange(4), len(images))


def turns_from_one(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, k, axes=(1, 2)) for k in range(4)])
    return x.reshape(-1, n * n), np.repeat(np.arange(1, 5), len(images))


def images_left_square(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, k, axes=(1, 2)) for k in range(4)])
    return x, np.repeat(np.arange(4), len(images))


def turns_as_ones_and_zeros(images):
    n = int(np.sqrt(images.shape[1]))
    x = images.reshape(-1, n, n)
    x = np.concatenate([np.rot90(x, k, axes=(1, 2)) for k in range(4)])
    return x.reshape(-1, n * n), np.eye(4, dtype=int)[np.repeat(np.arange(4), len(images))]


def turned_along_the_row(images):
    quarter = images.shape[1] // 4
    x = np.concatenate([np.roll(images, -k * quarter, axis=1) for k in range(4)])
    return x, np.repeat(np.arange(4), len(images))


def one_turn_each(images):
    n = int(np.sqrt(images.shape[1]))
    x = [np.rot90(image.reshape(n, n), i % 4).ravel() for i, image in enumerate(images)]
    return np.array(x), np.arange(len(images)) % 4


def rotations_by_transposing(images):
    n = int(np.sqrt(images.shape[1]))
    square = images.reshape(-1, n, n)
    blocks = [square]
    for _ in range(3):
        blocks.append(blocks[-1].transpose(0, 2, 1)[:, ::-1])
    x = np.stack(blocks).reshape(4 * len(images), n * n)
    return x, np.arange(4 * len(images)) // len(images)


def rotations_by_places(images):
    n = int(images.shape[1] ** 0.5)
    place = np.arange(n * n).reshape(n, n)
    x = np.vstack([images[:, np.rot90(place, k).ravel()] for k in range(4)])
    return x, np.array([k for k in range(4) for _ in images])


def rotations_pixel_by_pixel(images):
    n = int(np.sqrt(images.shape[1]))
    x, turns = [], []
    for k in range(4):
        for image in images:
            square = image.reshape(n, n)
            for _ in range(k):
                turned = np.empty_like(square)
                for i in range(n):
                    for j in range(n):
                        turned[n - 1 - j, i] = square[i, j]
                square = turned
            x.append(square.flatten())
            turns.append(k)
    return np.array(x), turns


ROTATION_BATCH = Exercise(
    reference=rotation_batch,
    summary="a batch for an auxiliary task: by how many quarter turns was the image rotated?",
    parts=(
        Part("images", 1.5, "the rotated images"),
        Part("turns", 0.5, "their labels"),
        DTYPE,
        INPUTS,
    ),
    cases=rotation_cases,
    run=look_at_the_batch,
    mistakes=(
        Mistake(
            "clockwise",
            clockwise,
            "The images turn clockwise. Turn them the other way: the top row becomes the left "
            "column, read from the bottom up.",
        ),
        Mistake(
            "mirrored",
            mirrored,
            "Some of the images are mirrored: transposing or flipping alone is no rotation. A "
            "quarter turn is both, one after the other.",
        ),
        Mistake(
            "image by image",
            image_by_image,
            "The four rotations of an image stand next to each other. The text asks for all images "
            "as they are, then all with one turn, and so on.",
        ),
        Mistake(
            "images in another order",
            images_in_another_order,
            "The four rotations of an image stand next to each other, and the labels run in four "
            "blocks: label and image do not belong together. Put the images in blocks, too.",
        ),
        Mistake(
            "turned over the batch",
            turned_over_the_batch,
            "np.rot90 turns the first two axes where nothing else is said, and the first is the "
            "batch: pixels of different images mix. Say axes=(1, 2).",
        ),
        Mistake(
            "turns in another order",
            turns_in_another_order,
            "The labels run 0, 1, 2, 3, 0, 1, ... while the images stand in four blocks: label and "
            "image do not belong together. Repeat each number instead of tiling.",
        ),
        Mistake(
            "turns in degrees",
            turns_in_degrees,
            "The labels are degrees. A class is a number from 0 up: count the quarter turns.",
        ),
        Mistake(
            "turns counted from 1",
            turns_from_one,
            "The labels are 1 to 4. Classes are counted from 0, an image that was not turned.",
        ),
        Mistake(
            "images left square",
            images_left_square,
            "The images are still square. A network takes them as they came, one a row of side² "
            "numbers.",
        ),
        Mistake(
            "turns as ones and zeros",
            turns_as_ones_and_zeros,
            "The labels are one-hot rows. Give integers of shape (4n,), as the loss takes them.",
        ),
        Mistake(
            "turned along the row",
            turned_along_the_row,
            "The row of pixels is moved on by a quarter. That shifts the image: make it square, "
            "turn it, and make it a row again.",
        ),
        Mistake(
            "one turn each",
            one_turn_each,
            "Each image comes once only. Every image is wanted in all four rotations.",
        ),
    ),
    honest=(rotations_by_transposing, rotations_by_places, rotations_pixel_by_pixel),
)


UNIT = Unit(
    key="11_reuse",
    title="Reuse and pretraining",
    exercises=(
        FROZEN_BACKWARD,
        FROZEN_STEP,
        LAYER_RATES,
        NETWORKS_FROM_DONOR,
        AUTOENCODER_GRADS,
        GREEDY_LAYERS,
        ROTATION_BATCH,
    ),
)
