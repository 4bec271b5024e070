"""Plug-and-play that descends: a denoiser trained to a Lipschitz bound, and one without it.

Two small networks learn to denoise natural patches as gradient steps, D(x, sigma) = x - grad g.
They start from the same weights and see the same batches; the loss of one has a penalty on norms of
the Hessian of g above 0.9. Both then deblur photographs that they have not seen, by two methods
that minimise

    F(x) = 1/2 ||A x - m||^2 + lambda g(x, sigma):

plug-and-play, which is the proximal gradient method with the step 1 / lambda, x <- prox(D(x)), and
gradient descent with the step 1 / (1 + lambda), as ||A|| = 1. With ||Hess g|| < 1 neither step is
beyond 1 / L, so that F falls in every iteration. That of plug-and-play is too long for a norm of 2.

    python examples/plug_and_play_gradient_step.py [--quick] [--output folder] [--train]

lambda and sigma, and the weights of Tikhonov regularisation and total variation, are the best for
two validation images; the descent is shown at lambda = sigma = 0.1 for both. The weights of the
denoisers ship beside this file; --train trains them again, in some minutes, from images that come
with scikit-image and scikit-learn. It prints a table and writes one figure.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon import nn, noise, plot, solve, train
from jaxrecon.data.images import natural_patches, packaged_image, patches, reduce
from jaxrecon.functionals import LeastSquares, SquaredL2, TotalVariation
from jaxrecon.linops import Convolution, FiniteDifference
from jaxrecon.metrics import psnr
from jaxrecon.solvers import admm, fourier_quadratic, fourier_update, gradient_descent, ista

SIDE = 64
BLUR = 1.6
"""standard deviation of the Gaussian blur in pixels"""
NOISE = 0.02
LEVELS = (0.01, 0.15)
"""noise that the denoisers are trained for"""
LIMIT = 0.9
PENALTIES = {"bounded": 1.0, "free": 0.0}
"""denoiser to the factor of its penalty on ||Hess g||"""
METHODS = ("plug-and-play", "gradient descent")
STRONG = (0.1, 0.1)
"""lambda and sigma of the descent that is shown"""
WEIGHTS = Path(__file__).parent / "weights" / "plug_and_play_gradient_step.npz"


class Settings(NamedTuple):
    images: int = 8
    iterations: int = 120
    search: int = 40
    """iterations while lambda and sigma are chosen"""
    weights: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    sigmas: tuple[float, ...] = (0.03, 0.06, 0.1, 0.15)


FULL = Settings()
QUICK = Settings(images=2, iterations=40, search=20, weights=(0.1, 0.2), sigmas=(0.06,))


def denoiser() -> nn.GradientStep:
    """N is a U-Net with a smooth activation, so that grad g has no jumps."""
    options: dict[str, Any] = {"inputs": 2, "activation": jax.nn.silu, "rngs": nnx.Rngs(0)}
    return nn.GradientStep(nn.UNet((16, 24, 32), **options))


def gradient_at(module: Any, sigma: jax.Array) -> Callable:
    """x -> grad g(x, sigma) of a batch (batch, y, x, 1), with one level for each image."""

    def gradient(x: jax.Array) -> jax.Array:
        maps = jnp.broadcast_to(sigma[:, None, None, None], x.shape)
        return module.gradient(jnp.concatenate([x, maps], axis=-1))

    return gradient


def denoising_loss(penalty: float, module: Any, images: jax.Array, key: jax.Array) -> jax.Array:
    """E ||D(x + sigma n, sigma) - x||^2 / sigma^2 + penalty E max(||Hess g|| - 0.9, 0).

    The norm is taken for a quarter of the images, anywhere between the clean and the noisy one.
    """
    level, draw, between, start = jax.random.split(key, 4)
    sigma = jax.random.uniform(level, images.shape[:1], minval=LEVELS[0], maxval=LEVELS[1])
    noisy = images + sigma[:, None, None] * jax.random.normal(draw, images.shape)
    error = jnp.mean((nn.on_images(module, noisy, sigma) - images) ** 2, axis=(1, 2))
    loss = jnp.mean(error / sigma**2)
    if penalty == 0:
        return loss
    few = len(images) // 4
    t = jax.random.uniform(between, (few, 1, 1))
    x = (1 - t) * images[:few] + t * noisy[:few]
    gradient = gradient_at(module, sigma[:few])
    options: dict[str, Any] = {"iterations": 6, "key": start}
    return loss + penalty * nn.lipschitz_penalty(gradient, x[..., None], LIMIT, **options)


def train_networks(checkpoints: Path, steps: int = 1000) -> None:
    """Trains both and writes their weights; goes on where an earlier call was interrupted."""
    modules = {}
    for name, penalty in PENALTIES.items():
        began = time.perf_counter()
        fitted = train.fit(
            denoiser(),
            partial(denoising_loss, penalty),
            natural_patches("train", 48),
            key=jax.random.key(0),
            steps=steps,
            batch_size=16,
            learning_rate=2e-3,
            average=0.99,
            every=100,
            checkpoints=checkpoints / name,
        )
        modules[name] = fitted.module
        print(
            f"{name}: {nn.parameter_count(fitted.module):,} parameters, losses "
            f"{np.array2string(fitted.losses, precision=3)}, {time.perf_counter() - began:.0f} s"
        )
    print(f"{train.save_weights(WEIGHTS, modules, bits=8) / 1e3:.0f} kB")


def photographs(names: tuple[str, ...], count: int) -> jax.Array:
    """(count, y, x): patches with something in them, the same number of each photograph."""
    chosen = []
    for name in names:
        cut = patches([reduce(packaged_image(name), 2)], SIDE, SIDE)
        lively = cut[cut.std(axis=(1, 2)) > 0.12]
        chosen.append(np.random.default_rng(0).permutation(lively)[: -(-count // len(names))])
    return jnp.asarray(np.concatenate(chosen)[:count])


def blur() -> Convolution:
    profile = jnp.exp(-(jnp.arange(-6.0, 7) ** 2) / (2 * BLUR**2))
    kernel = jnp.outer(profile, profile)
    return Convolution(kernel / jnp.sum(kernel), (SIDE, SIDE))


def tikhonov(operator: Convolution, m: jax.Array, weight: Any) -> jax.Array:
    """argmin_x 1/2 ||A x - m||^2 + weight/2 ||D x||^2, by one FFT and its inverse."""
    difference = FiniteDifference(operator.shape, boundary="periodic")
    smooth = (weight * SquaredL2()) @ difference
    quadratic = fourier_quadratic(LeastSquares(operator, m) + smooth, operator.domain)
    return quadratic.prox(m, 1e6)


def total_variation(operator: Convolution, m: jax.Array, weight: Any) -> jax.Array:
    """argmin_x 1/2 ||A x - m||^2 + weight TV(x), by ADMM with exact steps in the Fourier plane."""
    f = LeastSquares(operator, m)
    norm, difference = TotalVariation(m.shape, boundary="periodic").split()
    update = fourier_update(f, difference)
    method = admm(f, weight * norm, difference, weight / 0.03, x_update=update)
    return solve(method, m, 200)[0]


def plug_and_play(
    method: str,
    operator: Convolution,
    module: Any,
    m: jax.Array,
    weight: Any,
    sigma: Any,
    steps: int,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The image, and after every step the iterate and F."""
    f = fourier_quadratic(LeastSquares(operator, m), operator.domain)
    g = weight * nn.GradientStepPotential(module, sigma)
    if method == "plug-and-play":
        descent = ista(g, f, 1 / weight)
    else:
        descent = gradient_descent(f + g, 1 / (1 + weight))

    def record(state: Any) -> dict[str, jax.Array]:
        return {"image": state.x, "cost": f(state.x) + g(state.x)}

    return solve(descent, m, steps, trace=record)


@partial(nn.jit, static_argnums=(0, 6))
def plug_and_play_all(
    method: str, operator: Any, module: Any, data: Any, weight: Any, sigma: Any, steps: int
) -> tuple:
    """:func:`plug_and_play` of each image of a batch."""
    return jax.vmap(lambda m: plug_and_play(method, operator, module, m, weight, sigma, steps))(
        data
    )


@nn.jit
def hessian_norms(module: Any, images: jax.Array, sigma: Any) -> jax.Array:
    """||Hess g(x, sigma)|| of images (n, y, x), from below."""
    levels = jnp.broadcast_to(sigma, images.shape[:1])
    return nn.jacobian_norm(gradient_at(module, levels), images[..., None], iterations=30)


@nn.jit
def denoised(module: Any, images: jax.Array, sigma: Any) -> jax.Array:
    return nn.on_images(module, images, sigma)


def best(criterion: Callable, candidates: list) -> Any:
    """The candidate with the highest mean PSNR of the validation images."""
    return max(candidates, key=lambda candidate: float(criterion(candidate)))


def run(output_folder: str | Path | None = None, settings: Settings = FULL) -> tuple[dict, Any]:
    """Denoise and deblur with all; returns (results, matplotlib figure), saves the figure."""
    like = nnx.eval_shape(lambda: {name: denoiser() for name in PENALTIES})
    modules = train.load_weights(WEIGHTS, like)
    operator = blur()
    validation = photographs(("coffee.png",), 2)
    truth = photographs(("camera.png", "chelsea.png", "china.jpg"), settings.images)

    def measured(images: jax.Array, seed: int) -> jax.Array:
        return noise.gaussian(jax.random.key(seed), jax.vmap(operator)(images), NOISE)

    known, data = measured(validation, 1), measured(truth, 2)
    results: dict[str, Any] = {"truth": np.asarray(truth), "data": np.asarray(data)}
    for name, solver, low, high in (
        ("Tikhonov", tikhonov, 1e-4, 1e-1),
        ("total variation", total_variation, 1e-5, 1e-2),
    ):
        solve_all = jax.jit(jax.vmap(partial(solver, operator), in_axes=(0, None)))
        weights = list(np.geomspace(low, high, 25))
        weight = best(lambda w, f=solve_all: jnp.mean(psnr(f(known, w), validation, 1.0)), weights)
        images = solve_all(data, weight)
        results[name] = {"images": np.asarray(images), "weight": weight}
    for name, module in modules.items():
        results[name] = assess(module, operator, (validation, known), (truth, data), settings)
    figure = draw(results)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "plug_and_play_gradient_step.png")
    return results, figure


def assess(
    module: Any, operator: Convolution, known: tuple, unknown: tuple, settings: Settings
) -> dict[str, Any]:
    """What one denoiser does: to noise, and in both methods to F and the images."""
    (validation, m), (truth, data) = known, unknown

    def criterion(candidate: tuple) -> jax.Array:
        images, _ = plug_and_play_all(METHODS[0], operator, module, m, *candidate, settings.search)
        return jnp.mean(psnr(images, validation, 1.0))

    candidates = [(w, s) for w in settings.weights for s in settings.sigmas]
    weight, sigma = best(criterion, candidates)
    result: dict[str, Any] = {"weight": weight, "sigma": sigma, "denoising": {}, "norms": {}}
    for level in (0.05, 0.1):
        noisy = noise.gaussian(jax.random.key(3), truth, level)
        clean = denoised(module, noisy, level)
        result["denoising"][level] = float(jnp.mean(psnr(clean, truth, 1.0)))
        result["norms"][level] = float(jnp.max(hessian_norms(module, noisy, level)))

    def descend(method: str, weight: float, sigma: float) -> dict[str, Any]:
        images, history = plug_and_play_all(
            method, operator, module, data, weight, sigma, settings.iterations
        )
        every, costs = history["image"], np.asarray(history["cost"], np.float64)
        picked = every[:, :: max(settings.iterations // 4, 1)].reshape(-1, *truth.shape[1:])
        norms = hessian_norms(module, jnp.concatenate([data, picked, images]), sigma)
        moved = jnp.linalg.norm(jnp.diff(every, axis=1), axis=(2, 3))
        return {
            "images": np.asarray(images),
            "costs": costs,
            "rises": int(np.sum(np.diff(costs, axis=1) > 1e-6 * costs[:, :-1])),
            "moved": np.asarray(moved / jnp.linalg.norm(every[:, :-1], axis=(2, 3))),
            "norm": float(jnp.max(norms)),
        }

    result["tuned"] = descend(METHODS[0], weight, sigma)
    for method in METHODS:
        result[method] = descend(method, *STRONG)
    return result


def draw(results: dict) -> Any:
    """One test image by all methods; the curves are medians over all of them."""
    figure, axes = plot.subplots(2, 5, size=(2.7, 2.8))
    k = 0

    def image(place: tuple[int, int], name: str, images: np.ndarray) -> None:
        quality = float(psnr(images[k], results["truth"][k], 1.0))
        ending = "" if name == "truth" else f", {quality:.1f} dB"
        plot.show(axes[place], images[k], name + ending, window=(0, 1))

    image((0, 0), "truth", results["truth"])
    image((0, 1), "blurred", results["data"])
    for column, name in ((2, "Tikhonov"), (3, "total variation")):
        image((0, column), name, results[name]["images"])
    costs, moved = {}, {}
    for column, name in enumerate(PENALTIES):
        image((1, column), f"{name}, tuned", results[name]["tuned"]["images"])
        strong = f"{name}, sigma {STRONG[1]}"
        image((1, column + 2), strong, results[name][METHODS[0]]["images"])
        for method in METHODS:
            result, label = results[name][method], f"{method}, {name}"
            least = result["costs"].min(axis=1, keepdims=True)
            above = (result["costs"] - least) / (result["costs"][:, :1] - least)
            costs[label] = np.maximum(np.median(above, axis=0), 1e-5)
            moved[label] = np.median(result["moved"], axis=0)
    steps = np.arange(1, len(next(iter(costs.values()))) + 1)
    axis = {"xlabel": "iteration", "log": "xy"}
    plot.curves(axes[0, 4], steps, costs, title="F - min F, over the first", **axis)
    plot.curves(axes[1, 4], steps[1:], moved, title="||x' - x|| / ||x||", **axis)
    axes[0, 4].get_legend().remove()
    axes[1, 4].legend(frameon=False, fontsize=6.5, loc="lower left")
    return figure


def report(results: dict) -> None:
    """Prints the tables."""
    truth = results["truth"]

    def quality(images: np.ndarray) -> str:
        return f"{float(jnp.mean(psnr(images, truth, 1.0))):.2f} dB"

    print(f"{len(truth)} images: blurred {quality(results['data'])}")
    for name in ("Tikhonov", "total variation"):
        result = results[name]
        print(f"{name:17s} weight {result['weight']:.1e}  {quality(result['images'])}")
    for name in PENALTIES:
        result = results[name]
        print(f"{name} denoiser")
        for level, value in result["denoising"].items():
            print(
                f"  noise {level:4.2f}: denoised {value:.2f} dB, "
                f"||Hess g|| up to {result['norms'][level]:.2f}"
            )
        tuned = f"tuned: lambda {result['weight']}, sigma {result['sigma']}"
        strong = f"lambda {STRONG[0]}, sigma {STRONG[1]}"
        rows = {f"plug-and-play, {tuned}": result["tuned"]}
        rows |= {f"{method}, {strong}": result[method] for method in METHODS}
        for title, found in rows.items():
            print(
                f"  {title:46s} {quality(found['images'])}, ||Hess g|| up to {found['norm']:.2f}, "
                f"F rises in {found['rises']} of {found['costs'][:, 1:].size} steps, "
                f"last change {found['moved'][:, -1].max():.1e}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few images and iterations")
    parser.add_argument("--output", default="results", help="folder to write to")
    parser.add_argument("--train", action="store_true", help="train the denoisers first")
    arguments = parser.parse_args()
    if arguments.train:
        train_networks(Path(arguments.output) / "plug_and_play_checkpoints")
    results, _ = run(arguments.output, QUICK if arguments.quick else FULL)
    report(results)


if __name__ == "__main__":
    main()
