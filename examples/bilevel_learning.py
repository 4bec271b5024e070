r"""A regulariser learned from images: filters and weights, by derivatives of the minimiser.

The penalty sum_k w_k sum_n h((f_k * x)[n]) has eight 5x5 filters f_k and weights w_k; h is the
Huber function. Denoising with it solves, below, a smooth and strongly convex problem,

    x(w, f) = argmin_x 1/2 ||x - y||^2 + sum_k w_k sum_n h((f_k * x)[n]),

and learning another one, above: min over (w, f) of ||x(w, f) - x_true||^2 on training patches. Its
gradient comes from the equation that x(w, f) solves (`stationary_point`): one linear system, and no
memory for the steps that led there. The filters start as random numbers.

    python examples/bilevel_learning.py [--quick] [--output folder]

It prints the PSNR on images that were not in the training, of total variation with the weight that
is best for these very images, and of the learned penalty. Sources: Kunisch and Pock 2013,
doi:10.1137/120882706; Chen, Ranftl and Pock 2014, doi:10.1109/TIP.2014.2299065.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from jaxrecon import Functional, metrics, noise, plot, stationary_point
from jaxrecon.core.vectors import norm
from jaxrecon.data.images import (
    TEST_IMAGES,
    TRAINING_IMAGES,
    packaged_image,
    patches,
    reduce,
)
from jaxrecon.functionals import Huber, LeastSquares, TotalVariation
from jaxrecon.parameter_choice import path
from jaxrecon.solvers import nesterov

SIGMA = 25 / 255
FILTERS, WIDTH = 8, 5
DELTA = 0.005
"""where the Huber function turns from quadratic to linear"""
SIDE = 128
"""of the test images"""


class Settings(NamedTuple):
    patches: int = 48
    side: int = 32
    steps: int = 100
    rate: float = 0.3


FULL = Settings()
QUICK = Settings(patches=16, steps=20)


class Parameters(NamedTuple):
    """What is learned."""

    coefficients: Any
    """(filter, 24), of each filter in the cosine basis without its constant"""
    log_weights: Any
    """(filter,)"""


class LearnedPenalty(Functional):
    r"""sum_k w_k sum_n h((f_k * x)[n]) of images (image, y, x), continued by reflection."""

    filters: Any
    """(filter, 5, 5), of norm 1 and mean 0"""
    weights: Any
    """(filter,)"""
    delta: Any

    def responses(self, x: jax.Array) -> jax.Array:
        """(filter, image, y, x): each filter is correlated with the image, as one matrix product
        of all filters with the 25 shifted images."""
        margin, (_, rows, columns) = WIDTH // 2, x.shape
        padded = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
        shifted = [
            padded[:, i : i + rows, j : j + columns] for i in range(WIDTH) for j in range(WIDTH)
        ]
        return jnp.tensordot(self.filters.reshape(-1, WIDTH**2), jnp.stack(shifted), 1)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.weights @ jax.vmap(Huber(self.delta))(self.responses(x))

    def grad(self, x: jax.Array) -> jax.Array:
        responses, adjoint = jax.vjp(self.responses, x)
        slope = self.weights[:, None, None, None] * Huber(self.delta).grad(responses)
        return adjoint(slope)[0]

    def lipschitz(self) -> jax.Array:
        """max over frequencies of sum_k w_k |F f_k|^2, over delta; the reflection adds 5 %."""
        spectra = jnp.abs(jnp.fft.fft2(self.filters, (32, 32))) ** 2
        return 1.05 * jnp.max(jnp.tensordot(self.weights, spectra, 1)) / self.delta


def cosine_basis() -> np.ndarray:
    """(24, 25): the orthonormal two-dimensional cosines on 5x5 pixels, without the constant."""
    n = np.arange(WIDTH)
    rows = np.cos(np.pi * np.outer(n, n + 0.5) / WIDTH)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.einsum("ai,bj->abij", rows, rows).reshape(WIDTH**2, WIDTH**2)[1:]


def penalty_of(parameters: Parameters) -> LearnedPenalty:
    c = parameters.coefficients
    c = c / jnp.linalg.norm(c, axis=1, keepdims=True)
    filters = (c @ cosine_basis().astype(c.dtype)).reshape(-1, WIDTH, WIDTH)
    return LearnedPenalty(filters, jnp.exp(parameters.log_weights), DELTA)


def denoise(
    parameters: Parameters,
    noisy: jax.Array,
    start: jax.Array,
    tolerance: Any = 1e-4,
    linear_tolerance: Any = 3e-2,
) -> Any:
    """x(w, f) for images (image, y, x), with its derivatives in the parameters.

    Accurate to a few per cent, enough for Adam, is what the tolerances ask of a derivative.
    """
    f = LeastSquares(None, noisy) + penalty_of(parameters)
    size = norm(noisy)
    return stationary_point(
        f,
        nesterov(f, 1 / f.lipschitz(), strong_convexity=1.0),
        start,
        500,
        tolerance=tolerance,
        residual=lambda state: norm(f.grad(state.x)) / size,
        every=5,
        linear_steps=100,
        linear_tolerance=linear_tolerance,
    )


def random_parameters(key: jax.Array) -> Parameters:
    coefficients = jax.random.normal(key, (FILTERS, WIDTH**2 - 1))
    return Parameters(coefficients, jnp.full(FILTERS, jnp.log(0.02)))


def training_patches(settings: Settings) -> jax.Array:
    """(patch, y, x): random patches of 13 photographs, at half their size, none of them tested."""
    images = [reduce(packaged_image(name), 2) for name in TRAINING_IMAGES]
    random, side = np.random.default_rng(0), settings.side
    cut = [patches([image], side, side // 2) for image in images]
    chosen = [
        cut[i % len(cut)][random.integers(len(cut[i % len(cut)]))] for i in range(settings.patches)
    ]
    return jnp.asarray(np.stack(chosen))


@partial(jax.jit, static_argnums=0)
def learning_step(
    optimiser: Any, parameters: Parameters, memory: Any, start: jax.Array, noisy: Any, truth: Any
) -> tuple:
    """One step of Adam along the hypergradient, and the solution, where the next step starts."""

    def loss(parameters: Parameters) -> tuple[jax.Array, Any]:
        solution = denoise(parameters, noisy, start)
        return jnp.mean((solution.x - truth) ** 2), solution

    (value, solution), slope = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, memory = optimiser.update(slope, memory)
    return optax.apply_updates(parameters, updates), memory, value, solution


def learn(settings: Settings, key: jax.Array) -> tuple[Parameters, Parameters, np.ndarray, list]:
    """(parameters before, and after, loss of each step, steps of each inner problem)."""
    truth = training_patches(settings)
    first, second = jax.random.split(key)
    noisy = noise.gaussian(first, truth, SIGMA)
    before = parameters = random_parameters(second)
    optimiser = optax.adam(optax.cosine_decay_schedule(settings.rate, settings.steps))
    memory, start = optimiser.init(parameters), noisy
    losses, inner = [], []
    bar = tqdm.trange(settings.steps, desc="learning", unit="step")
    for _ in bar:
        parameters, memory, loss, solution = learning_step(
            optimiser, parameters, memory, start, noisy, truth
        )
        start = solution.x
        losses.append(float(loss))
        inner.append(int(solution.iterations))
        bar.set_postfix(psnr=f"{-10 * np.log10(losses[-1]):.2f}", inner=inner[-1])
    return before, parameters, np.array(losses), inner


def test_images() -> jax.Array:
    """(4, 128, 128): the middles of photographs that no training patch comes from."""
    middles = []
    for name in TEST_IMAGES:
        image = reduce(packaged_image(name), 2)
        top, left = ((n - SIDE) // 2 for n in image.shape)
        middles.append(image[top : top + SIDE, left : left + SIDE])
    return jnp.asarray(np.stack(middles))


@jax.jit
def best_total_variation(noisy: jax.Array, truth: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(images, weight) for the weight with the least error on all of these images together."""
    tv = TotalVariation(truth.shape, axes=(1, 2), tolerance=1e-3)
    candidates = SIGMA * jnp.geomspace(0.3, 2.0, 12)
    found = path(lambda w: tv.prox(noisy, w), candidates, record=lambda x: norm(x - truth), batch=1)
    best = jnp.argmin(found.records)
    return found.x[best], candidates[best]


def run(output_folder: str | Path | None = None, settings: Settings = FULL) -> tuple:
    """Learn and compare; returns (results, matplotlib figure), and saves the figure."""
    learning, testing = jax.random.split(jax.random.key(0))
    start = time.perf_counter()
    before, parameters, losses, steps = learn(settings, learning)
    seconds = time.perf_counter() - start
    truth = test_images()
    noisy = noise.gaussian(testing, truth, SIGMA)
    by_tv, weight = best_total_variation(noisy, truth)
    denoise_compiled = jax.jit(denoise)
    solution = denoise_compiled(parameters, noisy, noisy)
    images = {
        "noisy": noisy,
        "random filters": denoise_compiled(before, noisy, noisy).x,
        "total variation": by_tv,
        "learned": solution.x,
    }
    results = {
        "settings": {
            **settings._asdict(),
            "sigma": SIGMA,
            "best weight of total variation": float(weight),
            "seconds of learning": seconds,
            "inner steps, first and last": [steps[0], steps[-1]],
            "inner status on the test images": solution.describe(),
        },
        "psnr": {
            name: np.asarray(metrics.psnr(image, truth, 1.0)).tolist()
            for name, image in images.items()
        },
    }
    figure = draw(truth, images, results["psnr"], penalty_of(parameters), losses)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "bilevel_learning.png")
    return results, figure


def draw(truth: Any, images: dict, scores: dict, penalty: LearnedPenalty, losses: Any) -> Any:
    """Filters by their weight, the learning curve, and one image through all methods."""
    figure, axes = plot.subplots(3, 4, (2.5, 2.5))
    order = np.argsort(-np.asarray(penalty.weights))
    for ax, k in zip(axes[:2].flat, order, strict=True):
        window = 0.6
        title = f"weight {penalty.weights[k]:.3f}"
        plot.show(ax, penalty.filters[k], title, window=(-window, window), cmap="RdBu_r")
    shown = 1
    for ax, name in zip(axes[2], ("noisy", "total variation", "learned"), strict=False):
        title = f"{name}, {scores[name][shown]:.2f} dB"
        plot.show(ax, images[name][shown], title, window=(0.0, 1.0))
    plot.curves(
        axes[2, 3],
        np.arange(len(losses)),
        {"training patches": -10 * np.log10(losses)},
        xlabel="step of Adam",
        ylabel="PSNR in dB",
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few patches and steps")
    parser.add_argument("--output", default="results", help="folder to write to")
    arguments = parser.parse_args()
    results, _ = run(arguments.output, QUICK if arguments.quick else FULL)
    for name, value in results["settings"].items():
        print(f"{name:34s} {value}")
    names = [name.split(".")[0] for name in TEST_IMAGES]
    print(f"{'PSNR in dB':18s}" + "".join(f"{name:>10s}" for name in [*names, "mean"]))
    for name, scores in results["psnr"].items():
        print(f"{name:18s}" + "".join(f"{s:10.2f}" for s in [*scores, np.mean(scores)]))


if __name__ == "__main__":
    main()
