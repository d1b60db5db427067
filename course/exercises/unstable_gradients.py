"""Unit 05_unstable_gradients: gradients through many equal layers, and two ways to clip them.

Mistakes and honest answers are written as students write them. Each stands alone, so that the
sample class can hand it in under the exercise's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from course import clipping, diagnostics
from course._arrays import Array
from course.checking import Case, Exercise, Mistake, Observations, Part, Unit, unpack

DTYPE = Part("dtype", 0.5, "float32 in, float32 out", kind="dtype")
INPUTS = Part("inputs", 0.5, "changes nothing that it is given", kind="inputs")


def as_float32(value: Any) -> Any:
    """Return the same inputs with every floating array in float32."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float32)
    if isinstance(value, list):
        return [as_float32(entry) for entry in value]
    if isinstance(value, dict):
        return {key: as_float32(entry) for key, entry in value.items()}
    return value


def matrix_with(rng: np.random.Generator, *eigenvalues: complex) -> Array:
    """Return a real matrix that is not symmetric; a complex eigenvalue stands for its pair."""
    sizes = [1 if isinstance(value, float) else 2 for value in eigenvalues]
    n, at = sum(sizes), 0
    blocks = np.zeros((n, n))
    for value, size in zip(eigenvalues, sizes, strict=True):
        real, imag = complex(value).real, complex(value).imag
        blocks[at : at + size, at : at + size] = np.array([[real, -imag], [imag, real]])[
            :size, :size
        ]
        at += size
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
    shear = np.eye(n) + np.triu(rng.uniform(0.3, 0.6, (n, n)), 1)
    basis = turn @ shear
    return basis @ blocks @ np.linalg.inv(basis)


def turning(rng: np.random.Generator, low: float, high: float, size: float = 1.3) -> complex:
    """Return a complex number of about this modulus whose angle lies between these two."""
    return complex(size * rng.uniform(0.9, 1.1) * np.exp(1j * rng.uniform(low, high)))


def near(rng: np.random.Generator, value: float) -> float:
    """Return a number within a tenth of this one."""
    return float(value * rng.uniform(0.9, 1.1))


# --- backward through equal layers -----------------------------------------------------------


def equal_layers_backward(grad: Array, J: Array, *, layers: int) -> Array:
    """Gradients with respect to the input of every layer, and the output's in the last row."""
    rows = [grad]
    for _ in range(layers):
        rows.append(J.T @ rows[-1])
    return np.stack(rows[::-1])


def equal_layers_cases(rng: np.random.Generator) -> Iterator[Case]:
    def inputs(layers: int, *eigenvalues: complex) -> dict[str, Any]:
        J = matrix_with(rng, *eigenvalues)
        grad = rng.choice([-1.0, 1.0], len(J)) * rng.uniform(0.5, 1.5, len(J))
        return {"grad": grad, "J": J, "layers": layers}

    yield Case("one", "one layer", inputs(1, turning(rng, 0.5, 2.5), near(rng, 0.6)))
    yield Case("many", "five layers, three units", inputs(5, near(rng, -0.9), near(rng, 0.6), 0.3))
    yield Case("many", "three layers, two units", inputs(3, turning(rng, 0.5, 2.5)))
    yield Case("many", "no layer at all", inputs(0, near(rng, 0.9), near(rng, 0.5), 0.2))
    narrow = inputs(4, turning(rng, 0.5, 2.5, 0.9), near(rng, 0.5))
    yield Case("dtype", "four layers in float32", as_float32(narrow))


def jacobian_not_transposed(grad, J, *, layers):
    rows = [grad]
    for _ in range(layers):
        rows.append(J @ rows[-1])
    return np.stack(rows[::-1])


def rows_from_the_output_on(grad, J, *, layers):
    rows = [grad]
    for _ in range(layers):
        rows.append(J.T @ rows[-1])
    return np.stack(rows)


def entries_to_the_power(grad, J, *, layers):
    return np.stack([(J.T ** (layers - row)) @ grad for row in range(layers + 1)])


def one_layer_too_many(grad, J, *, layers):
    rows = []
    for _ in range(layers + 1):
        grad = J.T @ grad
        rows.append(grad)
    return np.stack(rows[::-1])


def always_from_the_output(grad, J, *, layers):
    return np.stack([J.T @ grad] * layers + [grad])


def output_left_out(grad, J, *, layers):
    rows = np.zeros((layers, len(grad)), dtype=grad.dtype)
    for row in reversed(range(layers)):
        grad = J.T @ grad
        rows[row] = grad
    return rows


def only_the_first_layer(grad, J, *, layers):
    for _ in range(layers):
        grad = J.T @ grad
    return grad


def solved_instead_of_multiplied(grad, J, *, layers):
    rows = [grad]
    for _ in range(layers):
        rows.append(np.linalg.solve(J.T, rows[-1]))
    return np.stack(rows[::-1])


def layers_as_rows_from_the_left(grad, J, *, layers):
    result = np.empty((layers + 1, len(grad)), dtype=grad.dtype)
    result[layers] = grad
    for row in range(layers - 1, -1, -1):
        result[row] = result[row + 1] @ J
    return result


def layers_by_powers(grad, J, *, layers):
    return np.array([np.linalg.matrix_power(J.T, layers - row) @ grad for row in range(layers + 1)])


def layers_entry_by_entry(grad, J, *, layers):
    n = len(grad)
    rows = [grad.copy()]
    for _ in range(layers):
        below = np.zeros_like(grad)
        for j in range(n):
            for i in range(n):
                below[j] += J[i, j] * rows[0][i]
        rows.insert(0, below)
    return np.stack(rows)


def layers_by_summing_over_the_outputs(grad, J, *, layers):
    rows = [grad]
    while len(rows) <= layers:
        rows = [np.einsum("ij,i->j", J, rows[0]), *rows]
    return np.vstack(rows)


EQUAL_LAYERS = Exercise(
    reference=equal_layers_backward,
    summary="the gradient at every layer of a stack of equal linear layers",
    parts=(
        Part("one", 1, "one layer"),
        Part("many", 2, "several layers, and none"),
        DTYPE,
        INPUTS,
    ),
    cases=equal_layers_cases,
    mistakes=(
        Mistake(
            "Jacobian not transposed",
            jacobian_not_transposed,
            "J g pushes a change of the input forward. A gradient goes back along the columns: "
            "entry j gathers J[i, j]·g[i] from all outputs i, which is Jᵀ g, or g J with g as a "
            "row.",
        ),
        Mistake(
            "rows from the output on",
            rows_from_the_output_on,
            "The rows stand upside down: row 0 belongs to the input, and the last row is the "
            "gradient that you were given. Layer l has L − l factors above it, not l.",
        ),
        Mistake(
            "entries to the power",
            entries_to_the_power,
            "J ** k raises every entry to the power k. A power of a matrix multiplies matrices: "
            "apply Jᵀ once for each layer, or use np.linalg.matrix_power.",
        ),
        Mistake(
            "one layer too many",
            one_layer_too_many,
            "Every row has one factor Jᵀ too many. The output is above all layers: its gradient is "
            "the given one, untouched, and layer l has L − l factors.",
        ),
        Mistake(
            "always from the output",
            always_from_the_output,
            "Every layer gets Jᵀ times the output's gradient. The chain rule passes on what it has "
            "just computed: each layer starts from the gradient of the layer above it.",
        ),
        Mistake(
            "output left out",
            output_left_out,
            "The output's own gradient is missing: L layers have L + 1 places between them, and "
            "the last row is the given gradient.",
        ),
        Mistake(
            "only the first layer",
            only_the_first_layer,
            "This is the gradient at the input alone. Keep each one on the way: one row for each "
            "layer, and the output's at the end.",
        ),
        Mistake(
            "solved instead of multiplied",
            solved_instead_of_multiplied,
            "Going backwards does not mean undoing the layer: no inverse appears in the chain "
            "rule. Multiply by Jᵀ.",
        ),
    ),
    honest=(
        layers_as_rows_from_the_left,
        layers_by_powers,
        layers_entry_by_entry,
        layers_by_summing_over_the_outputs,
    ),
)


# --- spectral radius -------------------------------------------------------------------------


def triangular(rng: np.random.Generator, n: int) -> Array:
    """Return an upper triangular matrix of radius below 1 whose norm is several times larger."""
    sizes = rng.permutation(np.linspace(0.3, 0.8, n)) * rng.uniform(0.95, 1.05, n)
    diagonal = np.diag(sizes * rng.choice([-1.0, 1.0], n))
    return diagonal + np.triu(rng.uniform(2.0, 4.0, (n, n)) * rng.choice([-1.0, 1.0], (n, n)), 1)


def radius_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, J: Array) -> Case:
        return Case(part, title, {"J": J})

    real = near(rng, -1.2), near(rng, 0.6), near(rng, 0.3)
    yield case("real", "a negative eigenvalue is the largest", matrix_with(rng, *real))
    yield case("real", "two positive eigenvalues", matrix_with(rng, near(rng, 1.2), near(rng, 0.5)))
    pair = turning(rng, 1.15, 1.35), near(rng, 0.8)
    yield case("complex", "a complex pair beside a real eigenvalue", matrix_with(rng, *pair))
    yield case("complex", "one complex pair", matrix_with(rng, turning(rng, 0.5, 0.9)))
    left = turning(rng, 2.0, 2.3), near(rng, 0.4)
    yield case("complex", "a complex pair with a negative real part", matrix_with(rng, *left))
    beaten = turning(rng, 0.4, 0.6, 0.8), near(rng, -1.2)
    yield case("complex", "a complex pair beside a larger real one", matrix_with(rng, *beaten))
    yield case("non_normal", "a triangular J", triangular(rng, 3))
    yield case("non_normal", "triangular, the other way round", triangular(rng, 2).T)


def no_modulus_at_all(J):
    return np.max(np.linalg.eigvals(J))


def largest_real_part(J):
    return np.max(np.linalg.eigvals(J).real)


def imaginary_part_dropped(J):
    return np.max(np.abs(np.linalg.eigvals(J).real))


def size_of_the_largest(J):
    return np.abs(np.max(np.linalg.eigvals(J)))


def symmetric_solver(J):
    return np.max(np.abs(np.linalg.eigvalsh(J)))


def largest_singular_value(J):
    return np.linalg.norm(J, 2)


def largest_singular_value_squared(J):
    return np.max(np.linalg.eigvalsh(J.T @ J))


def frobenius_as_the_radius(J):
    return np.linalg.norm(J)


def smallest_eigenvalue(J):
    return np.min(np.abs(np.linalg.eigvals(J)))


def largest_diagonal_entry(J):
    return np.max(np.abs(np.diag(J)))


def modulus_without_the_root(J):
    values = np.linalg.eigvals(J)
    return np.max(values.real**2 + values.imag**2)


def radius_from_eig(J):
    values, _ = np.linalg.eig(J)
    return float(max(abs(value) for value in values))


def radius_from_both_parts(J):
    values = np.linalg.eigvals(J.T)
    return np.sqrt((values.real**2 + values.imag**2).max())


def radius_by_squaring(J):
    """Gelfand's formula: the norm of a high power, whose exponent doubles each time."""
    log_radius, share = 0.0, 1.0
    for _ in range(60):
        size = np.linalg.norm(J)
        log_radius += share * np.log(size)
        J = J / size
        J = J @ J
        share /= 2
    return np.exp(log_radius)


RADIUS = Exercise(
    reference=diagnostics.spectral_radius,
    summary="the spectral radius of a matrix",
    parts=(
        Part("real", 1, "real eigenvalues"),
        Part("complex", 1.5, "complex eigenvalues"),
        Part("non_normal", 1, "a J whose norm is far above its radius"),
        INPUTS,
    ),
    cases=radius_cases,
    mistakes=(
        Mistake(
            "no modulus at all",
            no_modulus_at_all,
            "You return an eigenvalue, which may be complex, and a negative one never wins. The "
            "radius is a size: take np.abs of all eigenvalues, then the largest.",
        ),
        Mistake(
            "largest real part",
            largest_real_part,
            "You take the largest real part. It decides in differential equations; powers of J "
            "grow like the modulus |λ| = √(Re² + Im²): an eigenvalue of −2 or 2i counts as 2.",
        ),
        Mistake(
            "imaginary part dropped",
            imaginary_part_dropped,
            "The imaginary part is thrown away before the size is taken: |a + bi| is √(a² + b²). "
            "np.abs of the complex eigenvalue does it.",
        ),
        Mistake(
            "size of the largest",
            size_of_the_largest,
            "You choose the eigenvalue first and take its size afterwards. Complex numbers have no "
            "order, and NumPy sorts them by their real part. First all sizes, then the largest.",
        ),
        Mistake(
            "solver for symmetric matrices",
            symmetric_solver,
            "eigvalsh takes J for symmetric: it reads one triangle and mirrors it. A Jacobian is "
            "not symmetric; use eigvals.",
        ),
        Mistake(
            "largest singular value",
            largest_singular_value,
            "This is the largest singular value, ‖J‖₂: how far one layer can stretch a vector. The "
            "radius is the rate over many layers, from the eigenvalues, and never larger.",
        ),
        Mistake(
            "eigenvalues of JᵀJ",
            largest_singular_value_squared,
            "These are the eigenvalues of JᵀJ: the squares of singular values. Take those of J "
            "itself.",
        ),
        Mistake(
            "Frobenius norm",
            frobenius_as_the_radius,
            "np.linalg.norm of a matrix is the Frobenius norm: the root of the sum of all squared "
            "entries. The radius is the size of an eigenvalue.",
        ),
        Mistake(
            "smallest eigenvalue",
            smallest_eigenvalue,
            "This is the smallest |λ|. Over many layers the largest one wins, so take the maximum.",
        ),
        Mistake(
            "largest diagonal entry",
            largest_diagonal_entry,
            "You take the largest entry of the diagonal. The eigenvalues stand there only where J "
            "is triangular; for any other J ask np.linalg.eigvals.",
        ),
        Mistake(
            "modulus without the root",
            modulus_without_the_root,
            "This is |λ|², the sum of both squares. The modulus is its root, √(Re² + Im²), or "
            "np.abs.",
        ),
    ),
    honest=(radius_from_eig, radius_from_both_parts, radius_by_squaring),
)


# --- norms of powers -------------------------------------------------------------------------


def power_norms(J: Array, *, steps: int) -> Array:
    """Spectral norms of J⁰, J¹, ..., up to the power ``steps``."""
    power, norms = np.eye(len(J), dtype=J.dtype), []
    for _ in range(steps + 1):
        norms.append(np.linalg.norm(power, 2))
        power = power @ J
    return np.array(norms)


def power_cases(rng: np.random.Generator) -> Iterator[Case]:
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    symmetric = turn @ np.diag([near(rng, -1.1), near(rng, 0.7), near(rng, 0.4)]) @ turn.T
    pair = turning(rng, 0.5, 1.2)
    rotation = np.array([[pair.real, -pair.imag], [pair.imag, pair.real]])
    yield Case("normal", "a symmetric J, four layers", {"J": symmetric, "steps": 4})
    yield Case("normal", "a rotation with a stretch, five layers", {"J": rotation, "steps": 5})
    yield Case("non_normal", "a triangular J, six layers", {"J": triangular(rng, 2), "steps": 6})
    sheared = matrix_with(rng, turning(rng, 0.5, 2.5, 0.9), near(rng, 0.5))
    yield Case("non_normal", "any J, three layers", {"J": sheared, "steps": 3})
    yield Case("dtype", "in float32", as_float32({"J": triangular(rng, 3), "steps": 4}))


def radius_to_the_power(J, *, steps):
    radius = np.max(np.abs(np.linalg.eigvals(J)))
    return radius ** np.arange(steps + 1, dtype=J.dtype)


def norm_to_the_power(J, *, steps):
    return np.linalg.norm(J, 2) ** np.arange(steps + 1, dtype=J.dtype)


def norms_of_powers_of_entries(J, *, steps):
    return np.array([np.linalg.norm(J**k, 2) for k in range(steps + 1)])


def frobenius_norms(J, *, steps):
    return np.array([np.linalg.norm(np.linalg.matrix_power(J, k)) for k in range(steps + 1)])


def norms_from_one_on(J, *, steps):
    powers = [np.linalg.matrix_power(J, k) for k in range(1, steps + 2)]
    return np.array([np.linalg.norm(power, 2) for power in powers])


def zeroth_power_left_out(J, *, steps):
    powers = [np.linalg.matrix_power(J, k) for k in range(1, steps + 1)]
    return np.array([np.linalg.norm(power, 2) for power in powers])


def last_power_left_out(J, *, steps):
    return np.array([np.linalg.norm(np.linalg.matrix_power(J, k), 2) for k in range(steps)])


def one_norms(J, *, steps):
    return np.array([np.linalg.norm(np.linalg.matrix_power(J, k), 1) for k in range(steps + 1)])


def norms_by_matrix_power(J, *, steps):
    powers = np.stack([np.linalg.matrix_power(J, k) for k in range(steps + 1)])
    return np.linalg.norm(powers, 2, axis=(1, 2))


def norms_by_singular_values(J, *, steps):
    result = np.ones(steps + 1, dtype=J.dtype)
    power = J
    for k in range(1, steps + 1):
        result[k] = np.linalg.svd(power, compute_uv=False)[0]
        power = J @ power
    return result


def norms_by_the_eigenvalues_of_a_product(J, *, steps):
    norms, power = [], np.identity(len(J), J.dtype)
    for _ in range(steps + 1):
        norms.append(np.sqrt(np.linalg.eigvalsh(power.T @ power)[-1]))
        power = J.T @ power
    return np.asarray(norms)


POWERS = Exercise(
    reference=power_norms,
    summary="the norms of the powers of a matrix",
    parts=(
        Part("normal", 1, "a normal J"),
        Part("non_normal", 2, "a J that is not normal"),
        DTYPE,
        INPUTS,
    ),
    cases=power_cases,
    mistakes=(
        Mistake(
            "radius to the power",
            radius_to_the_power,
            "This is ρᵏ, the rate in the long run. The norm of a power equals it only for a normal "
            "J; others grow first. Multiply the matrices, then measure.",
        ),
        Mistake(
            "norm to the power",
            norm_to_the_power,
            "This is ‖J‖ᵏ, an upper bound: what would happen if every layer stretched the same "
            "vector most. The norm of the product is smaller; take the power first.",
        ),
        Mistake(
            "entries to the power",
            norms_of_powers_of_entries,
            "J**k raises each entry to the power k. Multiply matrices instead, power @ J or "
            "np.linalg.matrix_power; J⁰ is the identity, not a matrix of ones.",
        ),
        Mistake(
            "Frobenius norm",
            frobenius_norms,
            "np.linalg.norm of a matrix is the Frobenius norm unless you say which: pass 2 for the "
            "largest stretch. A sign of it: the identity's norm should be 1, yours is √n.",
        ),
        Mistake(
            "largest column sum",
            one_norms,
            "The order 1 gives the largest sum of a column. The largest stretch of a vector's "
            "length is the order 2.",
        ),
        Mistake(
            "powers from one on",
            norms_from_one_on,
            "The first entry is ‖J‖. Entry k belongs to the power k, so the first is that of "
            "J⁰, the identity: 1.",
        ),
        Mistake(
            "zeroth power left out",
            zeroth_power_left_out,
            "The power 0 is missing: from 0 to steps there are steps + 1 powers, and the first "
            "norm is 1.",
        ),
        Mistake(
            "last power left out",
            last_power_left_out,
            "The last power is missing: range(steps) ends at steps − 1. From 0 to steps there are "
            "steps + 1 powers.",
        ),
    ),
    honest=(
        norms_by_matrix_power,
        norms_by_singular_values,
        norms_by_the_eigenvalues_of_a_product,
    ),
)


# --- period of the oscillation ---------------------------------------------------------------


def rotation_period(J: Array) -> float:
    """Layers for one full turn of the eigenvalue of largest modulus; infinite without a turn."""
    values = np.linalg.eigvals(J)
    angle = abs(np.angle(values[np.argmax(np.abs(values))]))
    return float(2 * np.pi / angle) if angle else np.inf


def period_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(part: str, title: str, *eigenvalues: complex) -> Case:
        return Case(part, title, {"J": matrix_with(rng, *eigenvalues)})

    mixed = turning(rng, 1.05, 1.35), near(rng, 0.9), near(rng, -0.3)
    yield case("complex", "a complex pair beside real eigenvalues", *mixed)
    yield case("complex", "a complex pair with a negative real part", turning(rng, 1.8, 2.6))
    slow = turning(rng, 0.2, 0.4), turning(rng, 1.0, 1.4, 0.5)
    yield case("complex", "a slow pair beside a smaller, faster one", *slow)
    yield case("real", "a negative eigenvalue is the largest", near(rng, -1.2), near(rng, 0.6))
    real = near(rng, 1.2), turning(rng, 0.5, 1.2, 0.6)
    yield case("real", "a positive eigenvalue is the largest", *real)


def half_a_turn(J):
    values = np.linalg.eigvals(J)
    angle = abs(np.angle(values[np.argmax(np.abs(values))]))
    return np.pi / angle if angle > 0 else np.inf


def turn_in_degrees(J):
    values = np.linalg.eigvals(J)
    angle = abs(np.angle(values[np.argmax(np.abs(values))], deg=True))
    return 2 * np.pi / angle if angle > 0 else np.inf


def angle_from_the_quotient(J):
    values = np.linalg.eigvals(J)
    value = values[np.argmax(np.abs(values))]
    angle = abs(np.arctan(value.imag / value.real))
    return 2 * np.pi / angle if angle > 0 else np.inf


def imaginary_part_as_the_angle(J):
    values = np.linalg.eigvals(J)
    speed = abs(values[np.argmax(np.abs(values))].imag)
    return 2 * np.pi / speed if speed > 0 else np.inf


def turns_a_layer(J):
    values = np.linalg.eigvals(J)
    return abs(np.angle(values[np.argmax(np.abs(values))])) / (2 * np.pi)


def turn_of_the_largest_real_part(J):
    values = np.linalg.eigvals(J)
    angle = abs(np.angle(values[np.argmax(values.real)]))
    return 2 * np.pi / angle if angle > 0 else np.inf


def fastest_turn(J):
    angle = np.max(np.abs(np.angle(np.linalg.eigvals(J))))
    return 2 * np.pi / angle if angle > 0 else np.inf


def angle_itself(J):
    values = np.linalg.eigvals(J)
    return abs(np.angle(values[np.argmax(np.abs(values))]))


def real_never_turns(J):
    values = np.linalg.eigvals(J)
    value = values[np.argmax(np.abs(values))]
    if value.imag == 0:
        return np.inf
    return 2 * np.pi / abs(np.angle(value))


def sign_of_the_angle_kept(J):
    value = sorted(np.linalg.eigvals(J), key=abs)[-1]
    angle = np.angle(value)
    return 2 * np.pi / angle if angle != 0 else np.inf


def period_by_atan2(J):
    import math

    value = max(np.linalg.eigvals(J).tolist(), key=abs)
    angle = abs(math.atan2(complex(value).imag, complex(value).real))
    return math.inf if angle == 0 else 2 * math.pi / angle


def period_by_the_cosine(J):
    values = np.linalg.eigvals(J)
    sizes = np.abs(values)
    cosine = values.real[sizes.argmax()] / sizes.max()
    with np.errstate(divide="ignore"):
        return 2 * np.pi / np.arccos(cosine)


def period_by_the_logarithm(J):
    values, _ = np.linalg.eig(J.astype(complex))
    angle = np.abs(np.log(values[np.argsort(np.abs(values))[-1]]).imag)
    return np.inf if angle < 1e-9 else 2 * np.pi / angle


PERIOD = Exercise(
    reference=rotation_period,
    summary="how many layers a gradient needs for one oscillation",
    parts=(
        Part("complex", 2, "a complex pair decides"),
        Part("real", 1.5, "a real eigenvalue decides"),
        INPUTS,
    ),
    cases=period_cases,
    mistakes=(
        Mistake(
            "half a turn",
            half_a_turn,
            "π divided by the angle is half a turn: the gradient then points the other way. A full "
            "turn is 2π.",
        ),
        Mistake(
            "angle in degrees",
            turn_in_degrees,
            "The angle is in degrees and the full turn in radians. Take both in radians: "
            "np.angle without deg=True.",
        ),
        Mistake(
            "angle from the quotient",
            angle_from_the_quotient,
            "arctan(Im/Re) cannot tell −1 from 1: with a negative real part it gives the angle of "
            "the opposite eigenvalue. np.angle, or np.arctan2(Im, Re), looks at both signs.",
        ),
        Mistake(
            "imaginary part as the angle",
            imaginary_part_as_the_angle,
            "The imaginary part is the speed of turning in a differential equation. Here λ is "
            "multiplied once for each layer, and turns by its angle. A negative λ has the angle π.",
        ),
        Mistake(
            "turns a layer",
            turns_a_layer,
            "This is the frequency, turns for one layer. Asked is its inverse: layers for one "
            "turn.",
        ),
        Mistake(
            "turn of the largest real part",
            turn_of_the_largest_real_part,
            "You look at the eigenvalue of largest real part. After many layers the one of largest "
            "modulus is left: argmax of np.abs.",
        ),
        Mistake(
            "fastest turn",
            fastest_turn,
            "You take the largest angle of all eigenvalues. The fastest turn may belong to an "
            "eigenvalue that dies out; the one of largest modulus decides.",
        ),
        Mistake(
            "the angle itself",
            angle_itself,
            "This is the angle of one layer, |ω|. Asked is how many of them make a full turn: "
            "2π/|ω|.",
        ),
        Mistake(
            "a negative eigenvalue never turns",
            real_never_turns,
            "You return infinity for every real eigenvalue. A negative one flips the sign with "
            "each layer: its angle is π and P = 2. Only a positive one does not turn.",
        ),
        Mistake(
            "sign of the angle kept",
            sign_of_the_angle_kept,
            "The period comes out negative: of the pair you took the eigenvalue that turns the "
            "other way. Take the size of the angle, 2π/|ω|; then either of them will do.",
        ),
    ),
    honest=(period_by_atan2, period_by_the_cosine, period_by_the_logarithm),
)


# --- clipping by value -----------------------------------------------------------------------


def value_cases(rng: np.random.Generator) -> Iterator[Case]:
    def drawn(*sizes: float) -> Array:
        signs = np.resize([1.0, -1.0], len(sizes)) * rng.choice([-1.0, 1.0])
        return c * signs * np.array(sizes) * rng.uniform(0.9, 1.05, len(sizes))

    c = float(rng.choice([0.5, 2.0, 3.0]))
    vector, tail = drawn(0.5, 3.0, 2.0, 0.2, 7.0, 0.8), drawn(0.3, 4.0)
    matrix = rng.permutation(np.concatenate([vector[:4], tail])).reshape(2, 3)
    inside = np.append(drawn(0.5, 0.2), [c, -c])
    huge = np.append(drawn(1e200, 0.4), [np.inf, -np.inf])
    yield Case("cut", "six entries, some too large", {"grad": vector, "clip_value": c})
    yield Case("cut", "a 2×3 matrix", {"grad": matrix, "clip_value": c})
    yield Case("cut", "nothing to cut", {"grad": inside, "clip_value": c})
    yield Case("huge", "entries that overflowed", {"grad": huge, "clip_value": c})
    narrow = as_float32({"grad": drawn(0.5, 3.0, 2.0, 0.2), "clip_value": c})
    yield Case("dtype", "four entries in float32", narrow)


def cut_only_above(grad, *, clip_value):
    return np.minimum(grad, clip_value)


def negative_entries_lost(grad, *, clip_value):
    return np.clip(grad, 0, clip_value)


def sign_lost(grad, *, clip_value):
    return np.minimum(np.abs(grad), clip_value)


def large_entries_all_positive(grad, *, clip_value):
    return np.where(np.abs(grad) > clip_value, clip_value, grad)


def large_entries_dropped(grad, *, clip_value):
    return np.where(np.abs(grad) > clip_value, np.zeros_like(grad), grad)


def every_entry_at_the_limit(grad, *, clip_value):
    return clip_value * np.sign(grad)


def limit_is_always_one(grad, *, clip_value):
    return np.clip(grad, -1, 1)


def clipped_by_the_norm(grad, *, clip_value):
    with np.errstate(over="ignore", invalid="ignore"):
        norm = np.sqrt(np.sum(grad**2))
        return grad * clip_value / norm if norm > clip_value else grad


def scaled_by_the_largest_entry(grad, *, clip_value):
    largest = np.max(np.abs(grad))
    with np.errstate(invalid="ignore"):
        return grad * (clip_value / largest) if largest > clip_value else grad


def value_by_minimum_and_maximum(grad, *, clip_value):
    return np.maximum(np.minimum(grad, clip_value), -clip_value)


def value_by_masks(grad, *, clip_value):
    clipped = grad.copy()
    clipped[clipped > clip_value] = clip_value
    clipped[clipped < -clip_value] = -clip_value
    return clipped


def value_entry_by_entry(grad, *, clip_value):
    clipped = np.empty_like(grad)
    for index, g in np.ndenumerate(grad):
        clipped[index] = max(-clip_value, min(clip_value, g))
    return clipped


def value_by_sign_and_size(grad, *, clip_value):
    return np.sign(grad) * np.minimum(np.abs(grad), clip_value)


CLIP_VALUE = Exercise(
    reference=clipping.clip_by_value,
    summary="clip every entry of a gradient",
    parts=(
        Part("cut", 1.5, "entries inside and outside"),
        Part("huge", 0.5, "entries that overflowed"),
        DTYPE,
        INPUTS,
    ),
    cases=value_cases,
    mistakes=(
        Mistake(
            "cut only above",
            cut_only_above,
            "Only large positive entries are cut. The interval goes to both sides: from −c to c.",
        ),
        Mistake(
            "negative entries lost",
            negative_entries_lost,
            "The interval begins at 0, so every negative entry is lost, and with it the way down. "
            "It begins at −c.",
        ),
        Mistake(
            "sign lost",
            sign_lost,
            "The sign is lost: −5 becomes c instead of −c. Cut from both sides, or put the sign "
            "back.",
        ),
        Mistake(
            "large entries all positive",
            large_entries_all_positive,
            "Every entry that is too large becomes +c, a negative one too, which turns it round. "
            "Below −c it becomes −c.",
        ),
        Mistake(
            "large entries dropped",
            large_entries_dropped,
            "Entries that are too large become 0, so the parameters that need it most do not move. "
            "They stay, at the end of the interval: c or −c.",
        ),
        Mistake(
            "every entry at the limit",
            every_entry_at_the_limit,
            "All entries become ±c, small ones too. Entries inside the interval stay as they are.",
        ),
        Mistake(
            "limit is always one",
            limit_is_always_one,
            "The interval is [−1, 1], whatever clip_value says. It is [−c, c].",
        ),
        Mistake(
            "clipped by the norm",
            clipped_by_the_norm,
            "The whole gradient is scaled by its norm. That is the other algorithm; by value every "
            "entry is cut on its own, and the direction turns.",
        ),
        Mistake(
            "scaled by the largest entry",
            scaled_by_the_largest_entry,
            "The whole gradient is scaled until its largest entry fits. By value, small entries "
            "stay as they are: cut each one on its own.",
        ),
    ),
    honest=(
        value_by_minimum_and_maximum,
        value_by_masks,
        value_entry_by_entry,
        value_by_sign_and_size,
    ),
)


# --- clipping by global norm -----------------------------------------------------------------


def play_clipping(clip: Callable[..., Any], inputs: Mapping[str, Any]) -> Observations:
    """Clip and look at what the case asks for; the norm is asked for under two limits."""
    grads, limit, asked = inputs["grads"], inputs["max_norm"], inputs["asked"]
    clipped, norm = unpack(clip(grads, max_norm=limit), "clipped", "norm")
    if asked != "norm":
        names = [f"gradient {k}" for k in range(len(grads))]
        yield from zip(names, unpack(clipped, *names), strict=True)
    if asked != "clipped":
        yield "the norm", norm
    if asked == "norm":
        _, norm = unpack(clip(grads, max_norm=100 * limit), "clipped", "norm")
        yield "the norm under a limit 100 times as large", norm


def norm_cases(rng: np.random.Generator) -> Iterator[Case]:
    def grads(total: float, *shapes: tuple[int, ...]) -> list[Array]:
        """Return gradients of this norm in all; no array has more than most of it."""
        drawn = [rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape) for shape in shapes]
        norm = np.sqrt(sum(np.sum(grad**2) for grad in drawn))
        return [np.asarray(total / norm * grad) for grad in drawn]

    def case(part: str, title: str, asked: str, given: list[Array]) -> Case:
        return Case(part, title, {"grads": given, "max_norm": c, "asked": asked})

    c = float(rng.choice([0.8, 1.5, 2.5]))
    shapes = (2, 3), (3,), (2, 2)
    long, longer = near(rng, 4 * c), near(rng, 9 * c)
    yield case("long", "three arrays, too long together", "clipped", grads(long, *shapes))
    barely = grads(1.2 * c, (3,), (2, 2), (2,))
    yield case("long", "each array short, together too long", "clipped", barely)
    yield case("long", "one array alone", "clipped", grads(long, (4,)))
    short = grads(near(rng, 0.8 * c), (3,), (2, 2), (2,))
    yield case("short", "short enough together", "clipped and norm", short)
    yield case("short", "all zero", "clipped and norm", [np.zeros((2, 2)), np.zeros(3)])
    yield case("norm", "the norm before clipping", "norm", grads(longer, *shapes))
    yield case("norm", "the norm of one array", "norm", grads(long, (3,)))
    yield case("dtype", "in float32", "clipped", as_float32(grads(long, *shapes)))


def each_by_its_own_norm(grads, *, max_norm):
    norms = [np.linalg.norm(grad) for grad in grads]
    clipped = [
        grad * (max_norm / norm) if norm > max_norm else grad
        for grad, norm in zip(grads, norms, strict=True)
    ]
    return clipped, np.linalg.norm(norms)


def always_rescaled(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    if norm == 0:
        return list(grads), norm
    return [grad * (max_norm / norm) for grad in grads], norm


def always_rescaled_even_zeros(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    return [grad / norm * max_norm for grad in grads], norm


def larger_factor(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    if norm == 0:
        return list(grads), norm
    return [grad * max(1, max_norm / norm) for grad in grads], norm


def sum_of_the_norms(grads, *, max_norm):
    norm = sum(np.linalg.norm(grad) for grad in grads)
    factor = max_norm / norm if norm > max_norm else 1
    return [grad * factor for grad in grads], norm


def norm_of_the_largest_array(grads, *, max_norm):
    norm = max(np.linalg.norm(grad) for grad in grads)
    factor = max_norm / norm if norm > max_norm else 1
    return [grad * factor for grad in grads], norm


def square_root_forgotten(grads, *, max_norm):
    norm = sum(np.sum(grad**2) for grad in grads)
    factor = max_norm / norm if norm > max_norm else 1
    return [grad * factor for grad in grads], norm


def every_entry_cut(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    return [np.clip(grad, -max_norm, max_norm) for grad in grads], norm


def norm_after_clipping(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    if norm > max_norm:
        return [grad * (max_norm / norm) for grad in grads], max_norm
    return list(grads), norm


def zero_divided_by_zero(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    with np.errstate(invalid="ignore"):
        return [grad / norm * min(norm, max_norm) for grad in grads], norm


def small_number_of_torch(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    factor = min(1, max_norm / (norm + 1e-6))
    return [grad * factor for grad in grads], norm


def long_gradients_dropped(grads, *, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    if norm > max_norm:
        return [np.zeros_like(grad) for grad in grads], norm
    return list(grads), norm


def global_norm_of_one_long_vector(grads, *, max_norm):
    norm = np.linalg.norm(np.concatenate([grad.ravel() for grad in grads]))
    if norm <= max_norm:
        return [grad.copy() for grad in grads], norm
    return [max_norm * grad / norm for grad in grads], norm


def global_norm_of_the_norms(grads, *, max_norm):
    norm = np.linalg.norm([np.linalg.norm(grad) for grad in grads])
    shrink = max_norm / max(norm, max_norm)
    return [shrink * grad for grad in grads], norm


def global_norm_entry_by_entry(grads, *, max_norm):
    import math

    total = 0.0
    for grad in grads:
        for g in grad.flat:
            total += float(g) ** 2
    norm = math.sqrt(total)
    factor = min(1.0, max_norm / norm) if norm > 0 else 1.0
    return tuple(grad * factor for grad in grads), norm


def global_norm_on_copies(grads, *, max_norm):
    clipped = [np.array(grad) for grad in grads]
    norm = np.sqrt(sum(np.vdot(grad, grad) for grad in clipped))
    if norm > max_norm:
        for grad in clipped:
            grad *= max_norm / norm
    return clipped, norm


CLIP_NORM = Exercise(
    reference=clipping.clip_by_global_norm,
    summary="clip all gradients together by their norm",
    parts=(
        Part("long", 2, "gradients that are too long together"),
        Part("short", 1, "gradients that are short enough, zeros among them"),
        Part("norm", 1, "the norm that comes back"),
        DTYPE,
        INPUTS,
    ),
    cases=norm_cases,
    run=play_clipping,
    mistakes=(
        Mistake(
            "each by its own norm",
            each_by_its_own_norm,
            "Each array is clipped by its own norm, so the layers' proportions change and the step "
            "turns. One norm over all arrays gives one factor for all.",
        ),
        Mistake(
            "always rescaled",
            always_rescaled,
            "A gradient shorter than c is made longer, up to c: near the minimum the steps never "
            "become small. Clipping only shortens: the factor is min(1, c/‖g‖).",
        ),
        Mistake(
            "always rescaled, even zeros",
            always_rescaled_even_zeros,
            "Every gradient is given the length c: short ones grow, and zeros become 0/0, NaN. "
            "Clipping only shortens: scale by c/‖g‖ only where ‖g‖ > c.",
        ),
        Mistake(
            "larger factor",
            larger_factor,
            "The factor is max(1, c/‖g‖): long gradients stay long, and short ones grow. Take min.",
        ),
        Mistake(
            "sum of the norms",
            sum_of_the_norms,
            "The norms of the arrays are added. Lengths add like the sides of a right angle: "
            "square, add, take the root.",
        ),
        Mistake(
            "norm of the largest array",
            norm_of_the_largest_array,
            "You take the norm of the largest array. All entries of all arrays count, as if they "
            "were one long vector.",
        ),
        Mistake(
            "square root forgotten",
            square_root_forgotten,
            "This is ‖g‖², the sum of all squares. Take its root before you compare it with c.",
        ),
        Mistake(
            "every entry cut",
            every_entry_cut,
            "Every entry is cut on its own: that is clipping by value, and the direction turns. By "
            "norm all entries get the same factor.",
        ),
        Mistake(
            "norm after clipping",
            norm_after_clipping,
            "You return the norm after clipping, which is c whenever something was clipped and so "
            "tells nothing. Return the one that you measured before.",
        ),
        Mistake(
            "zero divided by zero",
            zero_divided_by_zero,
            "A gradient of zeros becomes 0/0, NaN, and the next step makes all parameters NaN. "
            "Divide only where ‖g‖ > c.",
        ),
        Mistake(
            "torch's small number",
            small_number_of_torch,
            "This is torch's form, c/(‖g‖ + 1e-6): the result is shorter than c, by about "
            "1e-6·c/‖g‖. Here the factor is min(1, c/‖g‖), with no small number.",
        ),
        Mistake(
            "long gradients dropped",
            long_gradients_dropped,
            "A gradient that is too long becomes 0: the step is skipped. Clipping keeps its "
            "direction and makes its length c.",
        ),
    ),
    honest=(
        global_norm_of_one_long_vector,
        global_norm_of_the_norms,
        global_norm_entry_by_entry,
        global_norm_on_copies,
    ),
)


# --- gradient ratio of the layers ------------------------------------------------------------


def gradient_ratios(grads: list[list[Array]]) -> Array:
    """Norm of each layer's gradient, over all of its arrays, in units of the last layer's."""
    norms = np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])
    return norms / norms[-1]


def ratio_cases(rng: np.random.Generator) -> Iterator[Case]:
    def layer(size: float, *shapes: tuple[int, ...]) -> list[Array]:
        return [
            size * rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape) for shape in shapes
        ]

    def dense(size: float, fan_in: int, fan_out: int) -> list[Array]:
        return layer(size, (fan_in, fan_out), (fan_out,))

    vanishing = [dense(0.01, 4, 3), dense(0.1, 3, 2), dense(0.5, 2, 3), dense(1.0, 3, 2)]
    exploding = [dense(30.0, 2, 3), dense(5.0, 3, 3), dense(1.0, 3, 4)]
    uneven = [layer(0.2, (3,)), layer(2.0, (2, 3), (3,), (2,)), layer(0.5, (3, 2))]
    dead = [dense(0.3, 3, 2), [np.zeros((2, 3)), np.zeros(3)], dense(1.0, 3, 2)]
    yield Case("dense", "four layers, the first one slow", {"grads": vanishing})
    yield Case("dense", "three layers, the first one fast", {"grads": exploding})
    yield Case("uneven", "layers of one and of three arrays", {"grads": uneven})
    yield Case("uneven", "one layer alone", {"grads": [dense(0.7, 3, 2)]})
    yield Case("dead", "a layer whose gradient is 0", {"grads": dead})


def biases_left_out(grads):
    norms = np.array([np.linalg.norm(layer[0]) for layer in grads])
    return norms / norms[-1]


def norms_added_in_a_layer(grads):
    norms = np.array([sum(np.linalg.norm(grad) for grad in layer) for layer in grads])
    return norms / norms[-1]


def root_left_out(grads):
    norms = np.array([sum(np.sum(grad**2) for grad in layer) for layer in grads])
    return norms / norms[-1]


def mean_over_the_entries(grads):
    flat = [np.concatenate([grad.ravel() for grad in layer]) for layer in grads]
    sizes = np.array([np.sqrt(np.mean(entries**2)) for entries in flat])
    return sizes / sizes[-1]


def mean_size_of_the_entries(grads):
    flat = [np.concatenate([grad.ravel() for grad in layer]) for layer in grads]
    sizes = np.array([np.mean(np.abs(entries)) for entries in flat])
    return sizes / sizes[-1]


def upside_down(grads):
    norms = np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])
    with np.errstate(divide="ignore"):
        return norms[-1] / norms


def against_the_first(grads):
    norms = np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])
    return norms / norms[0]


def against_the_largest(grads):
    norms = np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])
    return norms / norms.max()


def against_all_together(grads):
    norms = np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])
    return norms / np.linalg.norm(norms)


def against_the_next(grads):
    norms = np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])
    with np.errstate(divide="ignore"):
        return norms / np.append(norms[1:], norms[-1])


def not_divided(grads):
    return np.array([np.sqrt(sum(np.sum(grad**2) for grad in layer)) for layer in grads])


def ratios_of_long_vectors(grads):
    norms = [np.linalg.norm(np.concatenate([grad.ravel() for grad in layer])) for layer in grads]
    return np.array(norms) / norms[-1]


def ratios_of_the_norms(grads):
    norms = np.zeros(len(grads))
    for row, layer in enumerate(grads):
        norms[row] = np.hypot.reduce([np.linalg.norm(grad) for grad in layer])
    return norms / norms[len(grads) - 1]


def ratios_entry_by_entry(grads):
    import math

    squares = []
    for layer in grads:
        total = 0.0
        for grad in layer:
            for g in grad.flat:
                total += g * g
        squares.append(total)
    return np.array([math.sqrt(square / squares[-1]) for square in squares])


RATIOS = Exercise(
    reference=gradient_ratios,
    summary="how large each layer's gradient is beside the last one's",
    parts=(
        Part("dense", 2, "layers with weights and biases"),
        Part("uneven", 1, "layers of any number of arrays"),
        Part("dead", 0.5, "a layer whose gradient is 0"),
        INPUTS,
    ),
    cases=ratio_cases,
    mistakes=(
        Mistake(
            "biases left out",
            biases_left_out,
            "Only the first array of each layer counts. A layer's norm runs over all of its "
            "arrays, biases too.",
        ),
        Mistake(
            "norms added in a layer",
            norms_added_in_a_layer,
            "The norms of a layer's arrays are added. Add the squares of all entries, then take "
            "one root: √(‖∂W‖² + ‖∂b‖²).",
        ),
        Mistake(
            "root left out",
            root_left_out,
            "These are ratios of squared norms, so a layer a tenth as fast looks a hundredth as "
            "fast. Take the root.",
        ),
        Mistake(
            "mean over the entries",
            mean_over_the_entries,
            "You divide by the number of entries: the size of a typical entry. That is a sensible "
            "number too, but asked is the norm, the length of the layer's whole gradient.",
        ),
        Mistake(
            "mean size of the entries",
            mean_size_of_the_entries,
            "You average the sizes of the entries. A norm is the root of the sum of their squares.",
        ),
        Mistake(
            "upside down",
            upside_down,
            "The ratio is upside down: a layer that learns slowly should show a small number. "
            "Divide the layer's norm by the last layer's.",
        ),
        Mistake(
            "against the first",
            against_the_first,
            "The first layer's norm is the unit. It is the one that vanishes; divide by that of "
            "the last layer, which is next to the loss.",
        ),
        Mistake(
            "against the largest",
            against_the_largest,
            "The largest norm is the unit, so no ratio ever exceeds 1 and an explosion cannot be "
            "seen. Divide by the last layer's norm.",
        ),
        Mistake(
            "against all together",
            against_all_together,
            "The unit is the norm of all layers together. Divide by the norm of the last layer, "
            "so that its own ratio is 1.",
        ),
        Mistake(
            "against the next",
            against_the_next,
            "Each layer is compared with the one above it. Asked is the ratio to the last layer, "
            "the product of all these.",
        ),
        Mistake(
            "not divided",
            not_divided,
            "These are the norms themselves. Divide all by the last one, so that the scale of the "
            "loss drops out.",
        ),
    ),
    honest=(ratios_of_long_vectors, ratios_of_the_norms, ratios_entry_by_entry),
)


UNIT = Unit(
    key="05_unstable_gradients",
    title="Unstable gradients",
    exercises=(EQUAL_LAYERS, RADIUS, POWERS, PERIOD, CLIP_VALUE, CLIP_NORM, RATIOS),
)
