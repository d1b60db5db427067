"""Unit 09_residual_networks: a block and its gradients, a stack, the direct term, variances.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, item, unpack
from course.checking.compare import WrongKind, describe

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


def as_float32(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return these inputs with every array, also those in lists, in float32."""

    def narrow(value: Any) -> Any:
        if isinstance(value, list):
            return [narrow(entry) for entry in value]
        return value.astype(np.float32) if isinstance(value, np.ndarray) else value

    return {key: narrow(value) for key, value in inputs.items()}


def as_list(value: Any, what: str) -> Any:
    """Return a result that must be a list (or a tuple) of arrays.

    Raises:
        WrongKind: it is none.
    """
    if type(value) not in (list, tuple):
        raise WrongKind(f"expected a list of {what}, got {describe(value)}")
    return value


def block_inputs(
    rng: np.random.Generator, samples: int, features: int, hidden: int, scale: float | None = None
) -> dict[str, Any]:
    """Draw an input and a branch whose hidden units are on for one half of the batch's entries."""
    x = rng.normal(size=(samples, features))
    w1 = rng.normal(size=(features, hidden))
    z = x @ w1
    middle = np.sort(z, axis=None)[z.size // 2 - 1 : z.size // 2 + 1].mean()
    given = {
        "x": x,
        "w1": w1,
        "b1": np.full(hidden, -middle),
        "w2": rng.normal(size=(hidden, features)),
        "b2": rng.normal(size=features),
    }
    return given if scale is None else given | {"scale": scale}


# --- a block, forward ------------------------------------------------------------------------


def residual_forward(
    x: Array, w1: Array, b1: Array, w2: Array, b2: Array, *, scale: float = 1.0
) -> Array:
    """Return the output of a residual block: x and what a branch of two dense layers adds."""
    return x + scale * (np.maximum(x @ w1 + b1, 0) @ w2 + b2)


def forward_cases(rng: np.random.Generator) -> Iterator[Case]:
    scale = float(rng.choice([0.25, 0.5, 0.7]))
    yield Case("block", "one sample, three features", block_inputs(rng, 1, 3, 4))
    yield Case("block", "five samples, two features", block_inputs(rng, 5, 2, 4))
    yield Case("block", "four samples, features and units", block_inputs(rng, 4, 4, 4))
    yield Case("scale", "a scaled branch", block_inputs(rng, 4, 3, 5, scale))
    yield Case("scale", "a branch that is switched off", block_inputs(rng, 3, 2, 4, 0.0))
    yield Case("dtype", "four samples in float32", as_float32(block_inputs(rng, 4, 3, 5, scale)))


def input_not_added(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return scale * (h @ w2 + b2)


def no_activation_in_the_branch(x, w1, b1, w2, b2, *, scale=1.0):
    h = x @ w1 + b1
    return x + scale * (h @ w2 + b2)


def activation_after_the_sum(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return np.maximum(x + scale * (h @ w2 + b2), 0)


def activation_at_the_end_of_the_branch(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return x + scale * np.maximum(h @ w2 + b2, 0)


def activation_before_the_branch(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(np.maximum(x, 0) @ w1 + b1, 0)
    return x + scale * (h @ w2 + b2)


def sum_scaled(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return scale * (x + h @ w2 + b2)


def scale_forgotten(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return x + h @ w2 + b2


def last_bias_not_scaled(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return x + scale * (h @ w2) + b2


def last_bias_left_out(x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    return x + scale * (h @ w2)


def block_with_where(x, w1, b1, w2, b2, *, scale=1.0):
    z = np.einsum("nf,fh->nh", x, w1) + b1
    h = np.where(z > 0, z, np.zeros_like(z))
    return np.einsum("nh,hf->nf", h, w2) * scale + b2 * scale + x


def block_sample_by_sample(x, w1, b1, w2, b2, *, scale=1.0):
    y = x.copy()
    for n in range(len(x)):
        z = x[n] @ w1 + b1
        h = z * (z > 0)
        y[n] += scale * (h @ w2 + b2)
    return y


def block_with_samples_in_columns(x, w1, b1, w2, b2, *, scale=1.0):
    columns = x.T
    h = np.maximum(w1.T @ columns + b1[:, None], 0)
    change = w2.T @ h + b2[:, None]
    return (columns + scale * change).T


RESIDUAL_FORWARD = Exercise(
    reference=residual_forward,
    summary="the forward pass of a residual block",
    parts=(
        Part("block", 2, "x + F(x)"),
        Part("scale", 1, "a scaled branch"),
        DTYPE,
        INPUTS,
    ),
    cases=forward_cases,
    scale=1.0,
    mistakes=(
        Mistake(
            "input not added",
            input_not_added,
            "This is F(x) alone, an ordinary pair of layers. The block hands its input on and the "
            "branch only adds to it: y = x + s·F(x).",
        ),
        Mistake(
            "no activation in the branch",
            no_activation_in_the_branch,
            "The branch has no ReLU between its two layers, so the whole block is one linear map. "
            "F(x) = max(x @ w1 + b1, 0) @ w2 + b2.",
        ),
        Mistake(
            "activation after the sum",
            activation_after_the_sum,
            "A ReLU after the sum cuts off negative entries of the direct path, too. That is the "
            "first ResNet paper's block; here nothing comes after x + s·F(x).",
        ),
        Mistake(
            "activation at the end of the branch",
            activation_at_the_end_of_the_branch,
            "The branch ends in a ReLU, so it can only ever add: values grow and never shrink. "
            "F's last layer is linear.",
        ),
        Mistake(
            "activation before the branch",
            activation_before_the_branch,
            "The input passes a ReLU before the first layer (a pre-activation block). Here the "
            "first layer sees x itself.",
        ),
        Mistake(
            "sum scaled",
            sum_scaled,
            "The scale multiplies x as well: after L such blocks the direct path has shrunk to "
            "s to the power L. Scale the branch only: x + s·F(x).",
        ),
        Mistake(
            "scale forgotten",
            scale_forgotten,
            "scale is never used. It multiplies everything that the branch gives: x + s·F(x).",
        ),
        Mistake(
            "last bias not scaled",
            last_bias_not_scaled,
            "b2 escapes the scale. It is a part of F: multiply (h @ w2 + b2), in brackets.",
        ),
        Mistake(
            "last bias left out",
            last_bias_left_out,
            "b2 is missing. The branch's second layer is dense like the first: h @ w2 + b2.",
        ),
    ),
    honest=(block_with_where, block_sample_by_sample, block_with_samples_in_columns),
)


# --- a block, backward -----------------------------------------------------------------------


def residual_backward(
    grad: Array, x: Array, w1: Array, b1: Array, w2: Array, b2: Array, *, scale: float = 1.0
) -> tuple[Array, dict[str, Array]]:
    """Return ∂L/∂x of a residual block and the gradients of its branch's parameters."""
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    grad_f = scale * grad
    grad_z = (grad_f @ w2.T) * (z > 0)
    grads = {
        "w1": x.T @ grad_z,
        "b1": grad_z.sum(axis=0),
        "w2": h.T @ grad_f,
        "b2": grad_f.sum(axis=0),
    }
    return grad + grad_z @ w1.T, grads


def look_at_the_gradients(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at what this case asks for."""
    given = {key: value for key, value in inputs.items() if key != "looked at"}
    grad_x, grads = unpack(function(**given), "grad_x", "grads")
    if inputs["looked at"] != "grads":
        yield "grad_x", grad_x
    if inputs["looked at"] != "grad_x":
        for key in ("w2", "b2", "w1", "b1"):
            yield f"grads[{key!r}]", item(grads, "grads", key)


def backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        looked_at: str, samples: int, features: int, hidden: int, scale: float | None = None
    ) -> dict[str, Any]:
        given = block_inputs(rng, samples, features, hidden, scale)
        grad = rng.normal(size=given["x"].shape)
        return {"grad": grad} | given | {"looked at": looked_at}

    scale = float(rng.choice([0.25, 0.5, 0.7]))
    yield Case("input", "grad_x, one sample", inputs("grad_x", 1, 3, 4))
    yield Case("input", "grad_x, five samples", inputs("grad_x", 5, 2, 4))
    yield Case("input", "grad_x, as many units as features", inputs("grad_x", 4, 4, 4))
    yield Case("branch", "the branch's gradients, one sample", inputs("grads", 1, 3, 4))
    yield Case("branch", "the branch's gradients, six samples", inputs("grads", 6, 3, 5))
    edge = inputs("both", 3, 2, 4)
    edge["w1"][:, 1], edge["b1"][1] = 0.0, 0.0
    yield Case("branch", "a hidden unit whose input is exactly 0", edge)
    yield Case("scale", "a scaled branch", inputs("both", 4, 3, 5, scale=scale))
    yield Case("dtype", "five samples in float32", as_float32(inputs("both", 5, 3, 4, scale=scale)))


def direct_path_forgotten(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return d1 @ w1.T, grads


def direct_path_only(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return grad.copy(), grads


def one_added(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return 1 + d1 @ w1.T, grads


def input_added_on_the_way_back(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return x + d1 @ w1.T, grads


def direct_path_scaled(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return d2 + d1 @ w1.T, grads


def scale_lost_on_the_way_back(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d1 = (grad @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ grad, "b2": grad.sum(axis=0)}
    return grad + d1 @ w1.T, grads


def scale_for_the_input_only(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d1 = (grad @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ grad, "b2": grad.sum(axis=0)}
    return grad + scale * d1 @ w1.T, grads


def relu_ignored_on_the_way_back(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = d2 @ w2.T
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return grad + d1 @ w1.T, grads


def relu_of_the_gradient(grad, x, w1, b1, w2, b2, *, scale=1.0):
    h = np.maximum(x @ w1 + b1, 0)
    d2 = scale * grad
    d1 = np.maximum(d2 @ w2.T, 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return grad + d1 @ w1.T, grads


def slope_1_at_zero(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z >= 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": h.T @ d2, "b2": d2.sum(axis=0)}
    return grad + d1 @ w1.T, grads


def values_before_the_relu(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": z.T @ d2, "b2": d2.sum(axis=0)}
    return grad + d1 @ w1.T, grads


def all_gradients_averaged(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    n = len(x)
    grads = {"w1": x.T @ d1 / n, "b1": d1.mean(axis=0), "w2": h.T @ d2 / n, "b2": d2.mean(axis=0)}
    return grad + d1 @ w1.T, grads


def bias_gradients_averaged(grad, x, w1, b1, w2, b2, *, scale=1.0):
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    d2 = scale * grad
    d1 = (d2 @ w2.T) * (z > 0)
    grads = {"w1": x.T @ d1, "b1": d1.mean(axis=0), "w2": h.T @ d2, "b2": d2.mean(axis=0)}
    return grad + d1 @ w1.T, grads


def backward_with_einsum(grad, x, w1, b1, w2, b2, *, scale=1.0):
    h = np.einsum("nf,fh->nh", x, w1) + b1
    on = h > 0
    h = np.where(on, h, np.zeros_like(h))
    d1 = np.where(on, np.einsum("nf,hf->nh", grad, w2), np.zeros_like(h))
    grads = {
        "w1": scale * np.einsum("nf,nh->fh", x, d1),
        "b1": scale * np.einsum("nh->h", d1),
        "w2": scale * np.einsum("nh,nf->hf", h, grad),
        "b2": scale * np.einsum("nf->f", grad),
    }
    return scale * np.einsum("nh,fh->nf", d1, w1) + grad, grads


def backward_sample_by_sample(grad, x, w1, b1, w2, b2, *, scale=1.0):
    grad_x = grad.copy()
    grads = {"w1": np.zeros_like(w1), "b1": np.zeros_like(b1)}
    grads |= {"w2": np.zeros_like(w2), "b2": np.zeros_like(b2)}
    for n in range(len(x)):
        z = x[n] @ w1 + b1
        d2 = scale * grad[n]
        d1 = (w2 @ d2) * (z > 0)
        grad_x[n] += w1 @ d1
        grads["w1"] += np.outer(x[n], d1)
        grads["b1"] += d1
        grads["w2"] += np.outer(np.maximum(z, 0), d2)
        grads["b2"] += d2
    return grad_x, grads


def backward_through_jacobians(grad, x, w1, b1, w2, b2, *, scale=1.0):
    on = (x @ w1 + b1 > 0).astype(x.dtype)
    h = (x @ w1 + b1) * on
    identity = np.eye(x.shape[1], dtype=x.dtype)
    grad_x = np.stack(
        [
            (identity + scale * (w1 * on_n) @ w2) @ grad_n
            for on_n, grad_n in zip(on, grad, strict=True)
        ]
    )
    d2 = grad * scale
    d1 = (w2 @ d2.T).T * on
    return grad_x, {
        "b2": np.sum(d2, 0),
        "w2": (d2.T @ h).T,
        "b1": np.sum(d1, 0),
        "w1": (d1.T @ x).T,
    }


RESIDUAL_BACKWARD = Exercise(
    reference=residual_backward,
    summary="the backward pass of a residual block",
    parts=(
        Part("input", 2, "the gradient of the block's input"),
        Part("branch", 2, "the gradients of the branch's parameters"),
        Part("scale", 1, "a scaled branch"),
        DTYPE,
        INPUTS,
    ),
    cases=backward_cases,
    run=look_at_the_gradients,
    scale=1.0,
    mistakes=(
        Mistake(
            "direct path forgotten",
            direct_path_forgotten,
            "grad_x comes from the branch alone. x reaches y on two paths, so two gradients add "
            "up: grad, straight through the sum, and what comes back through F.",
        ),
        Mistake(
            "direct path only",
            direct_path_only,
            "grad_x is grad alone. x also goes into the branch: add what comes back through F.",
        ),
        Mistake(
            "one added",
            one_added,
            "A 1 is added to the gradient. The 1 stands in the bracket (1 + ∂F/∂x) and multiplies "
            "the gradient that arrives: add grad.",
        ),
        Mistake(
            "input added on the way back",
            input_added_on_the_way_back,
            "x is added to the gradient. On the way back the sum hands on the gradient, not the "
            "value: add grad.",
        ),
        Mistake(
            "direct path scaled",
            direct_path_scaled,
            "The direct path's gradient is scaled. In y = x + s·F(x) the s stands before F only: "
            "grad itself comes back unscaled.",
        ),
        Mistake(
            "scale lost on the way back",
            scale_lost_on_the_way_back,
            "The scale was used on the way forward only. What enters the branch from behind is "
            "s·grad, for grad_x and for all four parameters.",
        ),
        Mistake(
            "scale for the input only",
            scale_for_the_input_only,
            "grad_x has the scale, the gradients of the parameters have not. s·grad enters the "
            "branch, and everything in it sees that.",
        ),
        Mistake(
            "ReLU ignored on the way back",
            relu_ignored_on_the_way_back,
            "The gradient passes the branch's ReLU as if it were not there. Where the unit was "
            "off its slope is 0: multiply by (z > 0).",
        ),
        Mistake(
            "slope 1 at zero",
            slope_1_at_zero,
            "Where a hidden unit's input is exactly 0 the gradient passes. The slope there is "
            "defined as 0: multiply by (z > 0), not (z >= 0).",
        ),
        Mistake(
            "values before the ReLU",
            values_before_the_relu,
            "The gradient of w2 is taken with the hidden values before the ReLU. What w2 was "
            "multiplied with on the way forward is h = max(z, 0).",
        ),
        Mistake(
            "all gradients averaged",
            all_gradients_averaged,
            "The parameters' gradients are divided by the number of samples. If the loss is a "
            "mean, grad has the 1/N already: here the samples add up.",
        ),
        Mistake(
            "ReLU of the gradient",
            relu_of_the_gradient,
            "The gradient is sent through the ReLU itself. The mask comes from the way forward: "
            "multiply by (z > 0), z = x @ w1 + b1.",
        ),
        Mistake(
            "bias gradients averaged",
            bias_gradients_averaged,
            "The gradients of the biases are averaged over the batch. The samples add up: "
            "sum(axis=0).",
        ),
    ),
    honest=(backward_with_einsum, backward_sample_by_sample, backward_through_jacobians),
)


# --- a stack, forward ------------------------------------------------------------------------


def mixing_weights(k: Any, z: Array) -> Array:
    """Return the fixed weights of branch k for inputs of this width: all k differ."""
    width = z.shape[-1]
    grid = np.arange(width * width, dtype=float).reshape(width, width)
    return np.cos(1.3 * grid + 2.1 * int(k) + 0.4).astype(z.dtype)


def mixing_branch(k, z):
    """F_k(z) = tanh(z W_k), W_k fixed."""
    return np.tanh(z @ mixing_weights(k, z))


def rolling_branch(k, z):
    """F_k(z): the features moved on by one, in a sine of another frequency for each k."""
    return np.sin((int(k) + 1) * np.roll(z, 1, axis=-1) / 2)


def residual_stack(
    z: Array, branch: Callable[..., Array], *, first: int, last: int, scale: float = 1.0
) -> list[Array]:
    """Return all activations from level ``first``, where z stands, to level ``last``."""
    levels = [z.copy()]
    for k in range(first, last):
        levels.append(levels[-1] + scale * branch(k, levels[-1]))
    return levels


def look_at_the_levels(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at the list's length and at each level."""
    levels = as_list(function(**inputs), "activations")
    yield "the number of activations", len(levels)
    for k, level in enumerate(levels, start=inputs["first"]):
        yield f"z_{k}", level


def stack_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(
        branch: Callable[..., Array], samples: int, first: int, last: int, **hyper: float
    ) -> dict[str, Any]:
        z = rng.normal(size=(samples, 3))
        return {"z": z, "branch": branch, "first": first, "last": last} | hyper

    first, scale = int(rng.integers(2, 4)), float(rng.choice([0.3, 0.5, 0.6]))
    yield Case("bottom", "three blocks from level 0", inputs(mixing_branch, 2, 0, 3))
    yield Case("bottom", "five blocks from level 0", inputs(rolling_branch, 4, 0, 5))
    yield Case("middle", "four blocks from the middle", inputs(mixing_branch, 4, first, first + 4))
    yield Case("middle", "two blocks from the middle", inputs(rolling_branch, 1, first, first + 2))
    yield Case("scale", "scaled branches", inputs(mixing_branch, 2, 1, 5, scale=scale))
    yield Case("dtype", "in float32", as_float32(inputs(mixing_branch, 2, 1, 4, scale=scale)))


def every_branch_sees_the_first_input(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(first, last):
        levels.append(levels[-1] + scale * branch(k, z))
    return levels


def first_input_added_each_time(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(first, last):
        levels.append(z + scale * branch(k, levels[-1]))
    return levels


def plain_stack(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(first, last):
        levels.append(scale * branch(k, levels[-1]))
    return levels


def blocks_counted_from_zero(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(last - first):
        levels.append(levels[-1] + scale * branch(k, levels[-1]))
    return levels


def next_branch(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(first + 1, last + 1):
        levels.append(levels[-1] + scale * branch(k, levels[-1]))
    return levels


def one_block_too_many(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(first, last + 1):
        levels.append(levels[-1] + scale * branch(k, levels[-1]))
    return levels


def start_left_out(z, branch, *, first, last, scale=1.0):
    levels = []
    for k in range(first, last):
        z = z + scale * branch(k, z)
        levels.append(z)
    return levels


def one_array_for_all_levels(z, branch, *, first, last, scale=1.0):
    z = z.copy()
    levels = [z]
    for k in range(first, last):
        z += scale * branch(k, z)
        levels.append(z)
    return levels


def stack_without_the_scale(z, branch, *, first, last, scale=1.0):
    levels = [z]
    for k in range(first, last):
        levels.append(levels[-1] + branch(k, levels[-1]))
    return levels


def stack_as_a_sum(z, branch, *, first, last, scale=1.0):
    levels, changes = [z], []
    for k in range(first, last):
        changes.append(scale * branch(k, levels[-1]))
        levels.append(z + sum(changes))
    return levels


def stack_by_recursion(z, branch, *, first, last, scale=1.0):
    if first == last:
        return [z]
    up = z + scale * branch(first, z)
    return [z, *residual_stack(up, branch, first=first + 1, last=last, scale=scale)]


def stack_in_one_array(z, branch, *, first, last, scale=1.0):
    levels = np.empty((last - first + 1, *z.shape), dtype=z.dtype)
    levels[0] = z
    for step in range(last - first):
        levels[step + 1] = levels[step]
        levels[step + 1] += branch(first + step, levels[step]) * scale
    return list(levels)


RESIDUAL_STACK = Exercise(
    reference=residual_stack,
    summary="all activations of a stack of residual blocks",
    parts=(
        Part("bottom", 1.5, "from level 0"),
        Part("middle", 1.5, "from a level in the middle"),
        Part("scale", 1, "scaled branches"),
        DTYPE,
        INPUTS,
    ),
    cases=stack_cases,
    run=look_at_the_levels,
    scale=1.0,
    mistakes=(
        Mistake(
            "every branch sees the first input",
            every_branch_sees_the_first_input,
            "All branches get z_l, so they work side by side and nothing is deep. Branch k sees "
            "the level it stands on: F_k(z_k).",
        ),
        Mistake(
            "first input added each time",
            first_input_added_each_time,
            "Each block adds to z_l again and drops what the blocks before have added. A block "
            "adds to its own input: z_k + s·F_k(z_k).",
        ),
        Mistake(
            "a plain stack",
            plain_stack,
            "The inputs are not added: this is a plain network, z_{k+1} = F_k(z_k). A residual "
            "block keeps z_k and adds to it.",
        ),
        Mistake(
            "blocks counted from zero",
            blocks_counted_from_zero,
            "The blocks are counted from 0. z stands at level l, so the first block on its way is "
            "F_l: k runs from first to last − 1.",
        ),
        Mistake(
            "the next branch",
            next_branch,
            "Each level takes the branch after its own: k runs from l + 1 to L. F_l acts on z_l "
            "and leads to z_{l+1}: k runs from l to L − 1.",
        ),
        Mistake(
            "one block too many",
            one_block_too_many,
            "There is one level too many. F_{L−1} is the last block on the way to z_L: "
            "range(first, last).",
        ),
        Mistake(
            "start left out",
            start_left_out,
            "The list lacks its first entry, z_l itself. The backward pass will need the input of "
            "every block, also of the first.",
        ),
        Mistake(
            "one array for all levels",
            one_array_for_all_levels,
            "All entries of the list are one and the same array: z += ... changes it in place, and "
            "each level shows the last. Write z = z + ...",
        ),
        Mistake(
            "without the scale",
            stack_without_the_scale,
            "scale is never used. Each branch is scaled before it is added: z_k + s·F_k(z_k).",
        ),
    ),
    honest=(stack_as_a_sum, stack_by_recursion, stack_in_one_array),
)


# --- the gradient, split ---------------------------------------------------------------------


def split_gradient(
    grad: Array, jacobians: Sequence[Array], *, first: int = 0
) -> tuple[Array, Array]:
    """Return the direct term of the gradient at a level of a stack, and the rest of it."""
    whole = grad
    for k in range(len(jacobians) - 1, first - 1, -1):
        whole = whole + jacobians[k].T @ whole
    return grad.copy(), whole - grad


def look_at_both_terms(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at its two results."""
    names = ("direct", "rest")
    yield from zip(names, unpack(function(**inputs), *names), strict=True)


def split_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(width: int, blocks: int, first: int) -> dict[str, Any]:
        jacobians = [0.5 * rng.normal(size=(width, width)) for _ in range(blocks)]
        return {"grad": rng.normal(size=width), "jacobians": jacobians, "first": first}

    first = int(rng.integers(2, 4))
    yield Case("bottom", "two blocks, from level 0", inputs(3, 2, 0))
    yield Case("bottom", "five blocks, from level 0", inputs(2, 5, 0))
    yield Case("middle", "three blocks above the level", inputs(3, first + 3, first))
    yield Case("middle", "one block above the level", inputs(3, first + 1, first))
    yield Case("top", "no block above the level", inputs(3, 3, 3))
    yield Case("dtype", "in float32", as_float32(inputs(4, 4, 1)))


def jacobians_not_transposed(grad, jacobians, *, first=0):
    whole = grad
    for jacobian in jacobians[first:][::-1]:
        whole = whole + jacobian @ whole
    return grad.copy(), whole - grad


def first_order_only(grad, jacobians, *, first=0):
    rest = np.zeros_like(grad)
    for jacobian in jacobians[first:]:
        rest = rest + jacobian.T @ grad
    return grad.copy(), rest


def product_of_a_plain_network(grad, jacobians, *, first=0):
    rest = grad.copy()
    for jacobian in jacobians[first:][::-1]:
        rest = jacobian.T @ rest
    return grad.copy(), rest


def whole_gradient_as_the_rest(grad, jacobians, *, first=0):
    whole = grad.copy()
    for jacobian in jacobians[first:][::-1]:
        whole = whole + jacobian.T @ whole
    return grad.copy(), whole


def sum_from_the_first_block(grad, jacobians, *, first=0):
    whole = grad.copy()
    for jacobian in jacobians[::-1]:
        whole = whole + jacobian.T @ whole
    return grad.copy(), whole - grad


def own_block_left_out(grad, jacobians, *, first=0):
    whole = grad.copy()
    for jacobian in jacobians[first + 1 :][::-1]:
        whole = whole + jacobian.T @ whole
    return grad.copy(), whole - grad


def last_block_left_out(grad, jacobians, *, first=0):
    whole = grad.copy()
    for jacobian in jacobians[first:-1][::-1]:
        whole = whole + jacobian.T @ whole
    return grad.copy(), whole - grad


def upwards(grad, jacobians, *, first=0):
    whole = grad.copy()
    for jacobian in jacobians[first:]:
        whole = whole + jacobian.T @ whole
    return grad.copy(), whole - grad


def one_as_direct_term(grad, jacobians, *, first=0):
    whole = grad.copy()
    for jacobian in jacobians[first:][::-1]:
        whole = whole + jacobian.T @ whole
    return np.ones_like(grad), whole - grad


def rest_term_by_term(grad, jacobians, *, first=0):
    arriving, rest = grad, np.zeros_like(grad)
    for k in reversed(range(first, len(jacobians))):
        term = arriving @ jacobians[k]
        rest = rest + term
        arriving = arriving + term
    return grad.copy(), rest


def rest_from_the_whole_matrix(grad, jacobians, *, first=0):
    identity = np.eye(len(grad), dtype=grad.dtype)
    product = identity
    for jacobian in jacobians[first:]:
        product = (identity + jacobian) @ product
    return grad, (product - identity).T @ grad


def rest_over_all_paths(grad, jacobians, *, first=0):
    import itertools

    blocks = range(first, len(jacobians))
    rest = np.zeros_like(grad)
    for length in range(1, len(blocks) + 1):
        for path in itertools.combinations(blocks, length):
            term = grad
            for k in path[::-1]:
                term = jacobians[k].T @ term
            rest = rest + term
    return grad.copy(), rest


SPLIT_GRADIENT = Exercise(
    reference=split_gradient,
    summary="the direct term of a stack's gradient, and the rest of it",
    parts=(
        Part("bottom", 2, "at level 0"),
        Part("middle", 1.5, "at a level in the middle"),
        Part("top", 0.5, "at the output itself"),
        DTYPE,
        INPUTS,
    ),
    cases=split_cases,
    run=look_at_both_terms,
    scale=1.0,
    mistakes=(
        Mistake(
            "Jacobians not transposed",
            jacobians_not_transposed,
            "You multiply by J. A gradient runs against the arrows: entry j collects from all "
            "outputs i with ∂F_i/∂z_j, and that is Jᵀ @ g.",
        ),
        Mistake(
            "first order only",
            first_order_only,
            "Every block gets g_L. But what block k + 1 has added is a part of what arrives at "
            "block k: use g_{k+1} = g_L + all terms above.",
        ),
        Mistake(
            "product of a plain network",
            product_of_a_plain_network,
            "This is the product of all Jacobians: the gradient of a network without skip "
            "connections. Each block adds: g_k = g_{k+1} + J_kᵀ g_{k+1}.",
        ),
        Mistake(
            "the whole gradient as the rest",
            whole_gradient_as_the_rest,
            "The rest still holds the direct term, so direct + rest counts it twice. Take g_L off.",
        ),
        Mistake(
            "the sum from the first block",
            sum_from_the_first_block,
            "The sum runs over all blocks. Blocks below level l change z_l, but nothing of them "
            "lies between z_l and the loss: k starts at l.",
        ),
        Mistake(
            "own block left out",
            own_block_left_out,
            "The sum starts one block too late. F_l acts on z_l itself, so J_l belongs to it: "
            "k runs from l to L − 1.",
        ),
        Mistake(
            "last block left out",
            last_block_left_out,
            "The last block, J_{L−1}, is missing: its output is z_L, where the gradient starts.",
        ),
        Mistake(
            "upwards",
            upwards,
            "The blocks are passed from below. A gradient meets the last block first: "
            "k = L − 1, L − 2, ..., l.",
        ),
        Mistake(
            "one as direct term",
            one_as_direct_term,
            "The direct term is not 1. The 1 (the identity matrix) of the bracket is multiplied by "
            "the gradient at the output: the term is g_L.",
        ),
    ),
    honest=(rest_term_by_term, rest_from_the_whole_matrix, rest_over_all_paths),
)


# --- a stack, backward -----------------------------------------------------------------------


def mixing_backward(k, z, grad):
    """Backward of F_k(z) = tanh(z W_k): the gradients of z and of W_k."""
    weights = mixing_weights(k, z)
    below = grad * (1 - np.tanh(z @ weights) ** 2)
    return below @ weights.T, z.T @ below


def rolling_backward(k, z, grad):
    """Backward of F_k(z) = sin(θ · rolled z), θ = (k + 1)/2: the gradients of z and of θ."""
    theta = (int(k) + 1) / 2
    rolled = np.roll(z, 1, axis=-1)
    below = grad * np.cos(theta * rolled)
    return np.roll(theta * below, -1, axis=-1), np.sum(below * rolled, axis=0)


def stack_backward(
    grad: Array, levels: Sequence[Array], branch_backward: Callable[..., Any], *, scale: float = 1.0
) -> tuple[Array, list[Array]]:
    """Return ∂L/∂z_0 of a stack and the gradients of its branches' parameters, in their order."""
    grads = []
    for k in range(len(levels) - 2, -1, -1):
        through_branch, grad_theta = branch_backward(k, levels[k], scale * grad)
        grads.append(grad_theta)
        grad = grad + through_branch
    return grad, grads[::-1]


def look_at_all_gradients(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once and look at what this case asks for."""
    given = {key: value for key, value in inputs.items() if key != "looked at"}
    grad_z, grads = unpack(function(**given), "grad_z", "grads")
    if inputs["looked at"] != "grads":
        yield "grad_z, at level 0", grad_z
    if inputs["looked at"] != "grad_z":
        grads = as_list(grads, "gradients")
        yield "the number of gradients", len(grads)
        for k, grad in enumerate(grads):
            yield f"grads[{k}], of θ_{k}", grad


def stack_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    branches = {"mixing": (mixing_branch, mixing_backward)}
    branches["rolling"] = (rolling_branch, rolling_backward)

    def inputs(looked_at: str, kind: str, samples: int, blocks: int, **hyper: Any) -> Any:
        branch, branch_backward = branches[kind]
        z = rng.normal(size=(samples, 3))
        levels = residual_stack(z, branch, first=0, last=blocks, **hyper)
        given = {"grad": rng.normal(size=z.shape), "levels": levels}
        return given | {"branch_backward": branch_backward} | hyper | {"looked at": looked_at}

    scale = float(rng.choice([0.3, 0.5, 0.6]))
    yield Case("input", "grad_z, three blocks", inputs("grad_z", "mixing", 2, 3))
    yield Case("input", "grad_z, five blocks", inputs("grad_z", "rolling", 4, 5))
    yield Case("branches", "the branches' gradients, three blocks", inputs("grads", "mixing", 4, 3))
    yield Case("branches", "the branches' gradients, four blocks", inputs("grads", "rolling", 5, 4))
    yield Case("scale", "scaled branches", inputs("both", "mixing", 2, 4, scale=scale))
    yield Case("dtype", "in float32", as_float32(inputs("both", "mixing", 4, 3, scale=scale)))


def skip_forgotten(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        grad, grad_theta = branch_backward(k, levels[k], scale * grad)
        grads.insert(0, grad_theta)
    return grad, grads


def gradient_of_the_input_for_the_parameters(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        grad = grad + branch_backward(k, levels[k], scale * grad)[0]
        grads.insert(0, branch_backward(k, levels[k], scale * grad)[1])
    return grad, grads


def branches_at_their_outputs(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k + 1], scale * grad)
        grad = grad + change
        grads.insert(0, grad_theta)
    return grad, grads


def direct_term_for_every_branch(grad, levels, branch_backward, *, scale=1.0):
    total, grads = grad, []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k], scale * grad)
        total = total + change
        grads.insert(0, grad_theta)
    return total, grads


def output_gradient_added_each_time(grad, levels, branch_backward, *, scale=1.0):
    g, grads = grad, []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k], scale * g)
        g = grad + change
        grads.insert(0, grad_theta)
    return g, grads


def last_branch_first(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k], scale * grad)
        grad = grad + change
        grads.append(grad_theta)
    return grad, grads


def blocks_from_below(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in range(len(levels) - 1):
        change, grad_theta = branch_backward(k, levels[k], scale * grad)
        grad = grad + change
        grads.append(grad_theta)
    return grad, grads


def one_branch_too_many(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels))):
        change, grad_theta = branch_backward(k, levels[k], scale * grad)
        grad = grad + change
        grads.insert(0, grad_theta)
    return grad, grads


def whole_gradient_scaled(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k], grad)
        grads.insert(0, scale * grad_theta)
        grad = scale * (grad + change)
    return grad, grads


def stack_scale_forgotten(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k], grad)
        grad = grad + change
        grads.insert(0, grad_theta)
    return grad, grads


def parameters_without_the_scale(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        change, grad_theta = branch_backward(k, levels[k], grad)
        grad = grad + scale * change
        grads.insert(0, grad_theta)
    return grad, grads


def scaled_twice(grad, levels, branch_backward, *, scale=1.0):
    grads = []
    for k in reversed(range(len(levels) - 1)):
        grad_z, grad_theta = branch_backward(k, levels[k], scale * grad)
        grads.insert(0, grad_theta)
        grad = grad + scale * grad_z
    return grad, grads


def all_gradients_scaled_afterwards(grad, levels, branch_backward, *, scale=1.0):
    blocks = len(levels) - 1
    grads = [None] * blocks
    for k in range(blocks - 1, -1, -1):
        change, grad_theta = branch_backward(k, levels[k], grad)
        grads[k] = scale * grad_theta
        grad = grad + scale * change
    return grad, grads


def all_gradients_on_a_copy(grad, levels, branch_backward, *, scale=1.0):
    grad, grads = grad.copy(), []
    for k, z in reversed(list(enumerate(levels[:-1]))):
        change, grad_theta = branch_backward(k, z, grad * scale)
        grad += change
        grads.append(grad_theta)
    grads.reverse()
    return grad, grads


def all_gradients_as_a_sum(grad, levels, branch_backward, *, scale=1.0):
    terms, grads = [grad], {}
    for k in reversed(range(len(levels) - 1)):
        change, grads[k] = branch_backward(k, levels[k], scale * sum(terms))
        terms.append(change)
    return sum(terms[::-1]), [grads[k] for k in sorted(grads)]


STACK_BACKWARD = Exercise(
    reference=stack_backward,
    summary="the backward pass of a stack of residual blocks",
    parts=(
        Part("input", 1.5, "the gradient at level 0"),
        Part("branches", 2.5, "the gradients of all branches' parameters"),
        Part("scale", 1, "scaled branches"),
        DTYPE,
        INPUTS,
    ),
    cases=stack_backward_cases,
    run=look_at_all_gradients,
    scale=1.0,
    mistakes=(
        Mistake(
            "skip forgotten",
            skip_forgotten,
            "The gradient passes through every branch and never past one: that is a plain network. "
            "Add what comes back through the branch to grad.",
        ),
        Mistake(
            "the input's gradient for the parameters",
            gradient_of_the_input_for_the_parameters,
            "θ_k gets the gradient of z_k. θ_k acts on z_{k+1} first, z_k does not depend on it: "
            "hand the branch the gradient of z_{k+1}, before you add.",
        ),
        Mistake(
            "branches at their outputs",
            branches_at_their_outputs,
            "Branch k is evaluated at z_{k+1}, its block's output. On the way forward it saw z_k: "
            "levels[k].",
        ),
        Mistake(
            "direct term for every branch",
            direct_term_for_every_branch,
            "Every branch gets the gradient of the output, the direct term only. Also the blocks "
            "above send something back: hand on the gradient of z_{k+1}.",
        ),
        Mistake(
            "output's gradient added each time",
            output_gradient_added_each_time,
            "Each block adds its share to the gradient of the output again, and those of the "
            "blocks above are lost. Add to what arrives: g_k = g_{k+1} + J_kᵀ g_{k+1}.",
        ),
        Mistake(
            "last branch first",
            last_branch_first,
            "The gradients are right, but the list begins with the last branch, where the backward "
            "pass begins. grads[k] belongs to θ_k.",
        ),
        Mistake(
            "blocks from below",
            blocks_from_below,
            "The blocks are passed from below. The gradient is known at the output: "
            "k = L − 1, ..., 0.",
        ),
        Mistake(
            "one branch too many",
            one_branch_too_many,
            "L + 1 levels have L branches between them, and yours goes through one more: the last "
            "is k = L − 1, which leads from z_{L−1} to z_L.",
        ),
        Mistake(
            "the whole gradient scaled",
            whole_gradient_scaled,
            "The direct path is scaled, too, and shrinks at each block. Only what passes the "
            "branch is multiplied by s.",
        ),
        Mistake(
            "scale forgotten",
            stack_scale_forgotten,
            "scale is never used. In z_k + s·F_k(z_k) the branch's output is multiplied by s: what "
            "enters it from behind is s·grad.",
        ),
        Mistake(
            "scaled twice",
            scaled_twice,
            "The scale is applied twice on the way to z_k: to what enters the branch from behind, "
            "and again to what leaves it. s·grad goes in, and what comes out is added as it is.",
        ),
        Mistake(
            "parameters without the scale",
            parameters_without_the_scale,
            "The parameters' gradients lack the scale. s·grad enters the branch, so everything in "
            "it is scaled.",
        ),
    ),
    honest=(all_gradients_scaled_afterwards, all_gradients_on_a_copy, all_gradients_as_a_sum),
)


# --- variances -------------------------------------------------------------------------------


def stack_variances(
    variance: float,
    gains: Sequence[float],
    *,
    shortcut: float = 1.0,
    scale: float = 1.0,
    normalized: bool = False,
) -> Array:
    """Return the variances of all levels of a stack whose branches have these gains."""
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(shortcut**2 * variances[-1] + scale**2 * branch)
    return np.array(variances, dtype=float)


def look_at_the_variances(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Call the function once; a list of numbers is as good as an array."""
    seen = function(**inputs)
    if type(seen) in (list, tuple) and all(np.ndim(entry) == 0 for entry in seen):
        seen = np.array([as_a_number(entry) for entry in seen])
    yield "the variances", seen


def as_a_number(value: Any) -> float:
    """Return a plain number, or what is left of a NumPy one, as a float.

    Raises:
        WrongKind: it is none.
    """
    if type(value) in (int, float, np.ndarray):
        return float(value)
    raise WrongKind(f"expected numbers, got {describe(value)}")


def variance_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(blocks: int, **hyper: Any) -> dict[str, Any]:
        gains = [float(gain) for gain in rng.uniform(0.3, 1.7, blocks)]
        return {"variance": float(rng.uniform(0.5, 3.0)), "gains": gains} | hyper

    scale, shortcut = (float(rng.choice(values)) for values in ((0.4, 0.6), (0.8, 0.9)))
    yield Case("plain", "four unscaled blocks", inputs(4))
    yield Case("plain", "two unscaled blocks", inputs(2))
    yield Case("scale", "scaled branches", inputs(3, scale=scale))
    yield Case("scale", "a scaled shortcut, too", inputs(3, scale=scale, shortcut=shortcut))
    yield Case("normalized", "normalized branches", inputs(4, normalized=True))
    yield Case(
        "normalized",
        "normalized branches, scaled",
        inputs(3, normalized=True, scale=scale, shortcut=shortcut),
    )


def scale_not_squared(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(shortcut * variances[-1] + scale * branch)
    return np.array(variances)


def branch_scale_not_squared(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(shortcut**2 * variances[-1] + scale * branch)
    return np.array(variances)


def shortcut_not_squared(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    values = [variance]
    for gain in gains:
        added = gain if normalized else gain * values[-1]
        values.append(shortcut * values[-1] + scale**2 * added)
    return np.array(values)


def shortcut_ignored(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(variances[-1] + scale**2 * branch)
    return np.array(variances)


def sum_scaled_as_a_whole(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(scale**2 * (shortcut**2 * variances[-1] + branch))
    return np.array(variances)


def skip_left_out(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        variances.append(scale**2 * branch)
    return np.array(variances)


def deviations_added(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variances[-1]
        deviation = shortcut * np.sqrt(variances[-1]) + scale * np.sqrt(branch)
        variances.append(deviation**2)
    return np.array(variances)


def gains_always_added(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        variances.append(shortcut**2 * variances[-1] + scale**2 * gain)
    return np.array(variances)


def gains_always_multiplied(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        variances.append((shortcut**2 + scale**2 * gain) * variances[-1])
    return np.array(variances)


def gains_of_the_first_level(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        branch = gain if normalized else gain * variance
        variances.append(shortcut**2 * variances[-1] + scale**2 * branch)
    return np.array(variances)


def first_level_left_out(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = []
    for gain in gains:
        branch = gain if normalized else gain * variance
        variance = shortcut**2 * variance + scale**2 * branch
        variances.append(variance)
    return np.array(variances)


def variances_as_a_product(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    gains = np.array(gains)
    if not normalized:
        factors = shortcut**2 + scale**2 * gains
        return variance * np.cumprod(np.concatenate([[1.0], factors]))
    powers = shortcut ** (2 * np.arange(len(gains) + 1))
    added = [
        np.sum(scale**2 * gains[:k] * powers[:k][::-1]) if k else 0.0 for k in range(len(powers))
    ]
    return variance * powers + np.array(added)


def variances_in_place(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    v = np.empty(1 + len(gains))
    v[0] = variance
    for k in range(len(gains)):
        v[k + 1] = v[k] * shortcut * shortcut
        v[k + 1] += scale * gains[k] * scale * (1.0 if normalized else v[k])
    return v


def variances_in_a_list(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    variances = [variance]
    for gain in gains:
        before = variances[-1]
        if normalized:
            variances.append(before * shortcut**2 + gain * scale**2)
        else:
            variances.append(before * (shortcut**2 + gain * scale**2))
    return variances


def variances_by_accumulate(variance, gains, *, shortcut=1.0, scale=1.0, normalized=False):
    from itertools import accumulate

    def up(v, gain):
        return shortcut**2 * v + gain * scale**2 * (v ** (not normalized))

    return np.array(list(accumulate(gains, up, initial=variance)))


STACK_VARIANCES = Exercise(
    reference=stack_variances,
    summary="the variance at each level of a stack of residual blocks",
    parts=(
        Part("plain", 1.5, "unscaled blocks"),
        Part("scale", 1, "scaled branches and shortcuts"),
        Part("normalized", 1, "branches that normalize their input"),
        INPUTS,
    ),
    cases=variance_cases,
    run=look_at_the_variances,
    mistakes=(
        Mistake(
            "scales not squared",
            scale_not_squared,
            "A factor a on a value is a factor a² on its variance: a²·v + s²·Var[F].",
        ),
        Mistake(
            "branch's scale not squared",
            branch_scale_not_squared,
            "The branch's variance is multiplied by s. A factor s on a value is s² on its "
            "variance.",
        ),
        Mistake(
            "shortcut not squared",
            shortcut_not_squared,
            "The branch's scale is squared, the shortcut's is not. A number times a is a² times "
            "the variance: a²·v + s²·Var[F].",
        ),
        Mistake(
            "shortcut ignored",
            shortcut_ignored,
            "shortcut is never used: in a·x + s·F(x) the first term has the variance a²·v.",
        ),
        Mistake(
            "sum scaled as a whole",
            sum_scaled_as_a_whole,
            "The scale multiplies the variance of the shortcut, too. s stands before the branch "
            "only.",
        ),
        Mistake(
            "skip left out",
            skip_left_out,
            "The variance of the branch replaces that of its input: a plain network. In a residual "
            "block the two add up.",
        ),
        Mistake(
            "deviations added",
            deviations_added,
            "You add standard deviations. x and F(x) are uncorrelated here, so their variances "
            "add: a²·v + s²·Var[F].",
        ),
        Mistake(
            "gains always added",
            gains_always_added,
            "The gain is added as if it were the branch's variance. Without normalization the "
            "branch multiplies what it sees: Var[F] = gain · v.",
        ),
        Mistake(
            "gains always multiplied",
            gains_always_multiplied,
            "normalized is never used. A branch that normalizes its input gives the same variance "
            "whatever v is: Var[F] = gain.",
        ),
        Mistake(
            "gains of the first level",
            gains_of_the_first_level,
            "Every branch gets the variance of the first level. Branch k sees level k, and that "
            "has grown: Var[F_k] = gain · v_k.",
        ),
        Mistake(
            "first level left out",
            first_level_left_out,
            "The result lacks v_0, the variance that you were given: L blocks have L + 1 levels.",
        ),
    ),
    honest=(
        variances_as_a_product,
        variances_in_place,
        variances_in_a_list,
        variances_by_accumulate,
    ),
)


# --- the scale that keeps the variance -------------------------------------------------------


def branch_scale(blocks: int, *, gain: float = 1.0, growth: float = 2.0) -> float:
    """Return the scale of each branch with which a stack's variance grows so many times."""
    return float(np.sqrt(np.expm1(np.log(growth) / blocks) / gain))


def scale_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(low: int, high: int, **hyper: float) -> dict[str, Any]:
        return {"blocks": int(rng.integers(low, high)), **hyper}

    gain, growth = float(rng.uniform(0.3, 0.7)), float(rng.uniform(2.5, 4.0))
    yield Case("twice", "some blocks, the variance doubles", inputs(3, 7))
    yield Case("twice", "many blocks, the variance doubles", inputs(20, 65))
    yield Case("other", "another growth", inputs(5, 12, growth=growth))
    yield Case("other", "another growth and gain", inputs(5, 12, gain=gain, growth=growth))
    yield Case("other", "one block", {"blocks": 1, "gain": gain, "growth": growth})


def growth_of_each_block(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt((growth - 1) / gain)


def growth_shared_evenly(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt((growth - 1) / (gain * blocks))


def root_left_out(blocks, *, gain=1.0, growth=2.0):
    return (growth ** (1 / blocks) - 1) / gain


def one_not_taken_off(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt(growth ** (1 / blocks) / gain)


def gain_forgotten(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt(growth ** (1 / blocks) - 1)


def gain_multiplied(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt((growth ** (1 / blocks) - 1) * gain)


def gain_outside_the_root(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt(growth ** (1 / blocks) - 1) / gain


def one_over_the_blocks(blocks, *, gain=1.0, growth=2.0):
    return 1 / blocks


def one_over_the_root_of_the_blocks(blocks, *, gain=1.0, growth=2.0):
    return 1 / np.sqrt(blocks)


def scale_from_the_root(blocks, *, gain=1.0, growth=2.0):
    return np.sqrt((growth ** (1 / blocks) - 1) / gain)


def scale_with_math(blocks, *, gain=1.0, growth=2.0):
    import math

    return math.sqrt(math.exp(math.log(growth) / blocks) - 1) / math.sqrt(gain)


def scale_by_bisection(blocks, *, gain=1.0, growth=2.0):
    low, high = 0.0, 1.0
    while (1 + high**2 * gain) ** blocks < growth:
        high = 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        if (1 + middle**2 * gain) ** blocks < growth:
            low = middle
        else:
            high = middle
    return high


BRANCH_SCALE = Exercise(
    reference=branch_scale,
    summary="the scale of the branches that lets a stack's variance grow so many times",
    parts=(
        Part("twice", 1.5, "the variance doubles over the whole stack"),
        Part("other", 1.5, "another growth, and another gain"),
    ),
    cases=scale_cases,
    mistakes=(
        Mistake(
            "growth of each block",
            growth_of_each_block,
            "Each block alone grows the variance so many times. That is what all L blocks may do "
            "together: take the L-th root of the growth first.",
        ),
        Mistake(
            "growth shared evenly",
            growth_shared_evenly,
            "You share growth − 1 among the blocks as if they added up. They multiply: "
            "(1 + s²c)^L = growth, so the L-th root comes first.",
        ),
        Mistake(
            "root left out",
            root_left_out,
            "This is s². Take the square root at the end.",
        ),
        Mistake(
            "one not taken off",
            one_not_taken_off,
            "The 1 of the skip connection is missing: 1 + s²c = growth^(1/L). Take it off before "
            "you divide by the gain.",
        ),
        Mistake(
            "gain forgotten",
            gain_forgotten,
            "gain is never used. A branch that makes less of its input may be scaled more: "
            "1 + s²c, c the gain.",
        ),
        Mistake(
            "gain multiplied",
            gain_multiplied,
            "The gain is multiplied instead of divided: s² = (growth^(1/L) − 1) / c.",
        ),
        Mistake(
            "gain outside the root",
            gain_outside_the_root,
            "The gain divides s. It is a factor of variances, so it divides s²: put it under the "
            "root.",
        ),
        Mistake(
            "one over the blocks",
            one_over_the_blocks,
            "1/L is a scale of its own kind: with it the variance grows by about c/L in all. Solve "
            "(1 + s²c)^L = growth for s.",
        ),
        Mistake(
            "one over the root of the blocks",
            one_over_the_root_of_the_blocks,
            "1/√L is a good rule, but what it gives is growth by about exp(c). Here the growth is "
            "prescribed: solve (1 + s²c)^L = growth for s.",
        ),
    ),
    honest=(scale_from_the_root, scale_with_math, scale_by_bisection),
)


UNIT = Unit(
    key="09_residual_networks",
    title="Residual networks",
    exercises=(
        RESIDUAL_FORWARD,
        RESIDUAL_BACKWARD,
        RESIDUAL_STACK,
        SPLIT_GRADIENT,
        STACK_BACKWARD,
        STACK_VARIANCES,
        BRANCH_SCALE,
    ),
)
