"""What the data leave open: samples of the posterior of single-pixel images, and their calibration.

A small denoiser, trained on natural patches at noise levels from 0.01 to 3, is the prior of three
samplers: diffusion posterior sampling (DPS), DiffPIR and Langevin sampling (PnP-ULA). They see 256
of 1024 noisy Hadamard coefficients of an image of 32 x 32 pixels. Mean and standard deviation of
the samples are the image and its uncertainty; on several test images the example counts how often
the truth lies in their credible intervals.

    python examples/posterior_sampling.py [--quick] [--output folder] [--train]

The weights of the denoiser ship beside this file; --train trains them again, in some minutes, from
images that come with scikit-image and scikit-learn. It prints a table and writes one figure.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon import nn, plot, solve, tight, train
from jaxrecon.data.images import natural_patches
from jaxrecon.functionals import LeastSquares
from jaxrecon.metrics import psnr
from jaxrecon.sampling import (
    coverage,
    diffpir,
    diffusion_posterior_sampling,
    effective_sample_size,
    normal_transform,
    plug_and_play_langevin,
    posterior_moments,
    rank_transform,
    variance_exploding,
)
from jaxrecon.single_pixel import HadamardSubsampling, sequency_order_2d

SIDE = 32
KEPT = 256
NOISE = 0.05
"""standard deviation of the noise of the coefficients, of an orthonormal transform"""
LEVELS = (0.1, 0.3, 0.5, 0.68, 0.8, 0.9, 0.95)
WEIGHTS = Path(__file__).parent / "weights" / "posterior_sampling.npz"


class Settings(NamedTuple):
    images: int = 12
    samples: int = 32
    levels: int = 60
    burn_in: int = 2000
    steps: int = 200
    thinning: int = 30


FULL = Settings()
QUICK = Settings(images=2, samples=4, levels=20, burn_in=100, steps=20, thinning=5)


class ScoreNetwork(nnx.Module):
    r"""D(x, sigma) = 1/2 + c_skip (x - 1/2) + c_out U(c_in (x - 1/2), log sigma / 4).

    The factors give the network inputs and targets of unit variance at every level, for images of
    the mean 1/2 and the deviation 1/4.

    Source: Karras et al., NeurIPS 2022, doi:10.48550/arXiv.2206.00364.
    """

    def __init__(self, *, rngs: nnx.Rngs):
        self.network = nn.UNet((16, 32, 48), inputs=2, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        image, sigma = x[..., :1] - 0.5, x[..., 1:]
        total = jnp.sqrt(sigma**2 + 0.25**2)
        inside = jnp.concatenate([image / total, jnp.log(sigma) / 4], axis=-1)
        skip, out = (0.25 / total) ** 2, 0.25 * sigma / total
        return 0.5 + skip * image + out * self.network(inside)


def denoising_loss(module: Any, images: jax.Array, key: jax.Array) -> jax.Array:
    """Squared error over what is to be expected at each level, log sigma uniform."""
    flip, level, draw = jax.random.split(key, 3)
    images = jnp.where(jax.random.bernoulli(flip), images, images.transpose(0, 2, 1)[:, ::-1])
    low, high = jnp.log(0.01), jnp.log(3.0)
    sigma = jnp.exp(jax.random.uniform(level, images.shape[:1], minval=low, maxval=high))
    noisy = images + sigma[:, None, None] * jax.random.normal(draw, images.shape)
    error = jnp.mean((nn.on_images(module, noisy, sigma) - images) ** 2, axis=(1, 2))
    return jnp.mean(error * (1 / sigma**2 + 1 / 0.25**2))


def train_network(checkpoints: Path, steps: int = 3000) -> None:
    """Trains the denoiser and writes its weights; goes on where an earlier call was interrupted."""
    began = time.perf_counter()
    fitted = train.fit(
        ScoreNetwork(rngs=nnx.Rngs(0)),
        denoising_loss,
        natural_patches("train", SIDE),
        key=jax.random.key(0),
        steps=steps,
        batch_size=16,
        learning_rate=2e-3,
        average=0.999,
        every=500,
        checkpoints=checkpoints,
    )
    size = train.save_weights(WEIGHTS, fitted.module, bits=8)
    print(
        f"{nn.parameter_count(fitted.module):,} parameters, {size / 1e3:.0f} kB, losses "
        f"{np.array2string(fitted.losses, precision=3)}, {time.perf_counter() - began:.0f} s"
    )


def problem(settings: Settings) -> tuple[HadamardSubsampling, jax.Array, jax.Array]:
    """The operator, the test images (n, y, x), and their noisy coefficients (n, KEPT)."""
    patches = natural_patches("test", SIDE)
    lively = patches[patches.std(axis=(1, 2)) > 0.12]
    chosen = np.random.default_rng(0).permutation(len(lively))[: settings.images]
    truth = jnp.asarray(lively[chosen])
    operator = HadamardSubsampling(sequency_order_2d((SIDE, SIDE))[:KEPT], (SIDE, SIDE))
    clean = jax.vmap(operator)(truth)
    return operator, truth, clean + NOISE * jax.random.normal(jax.random.key(1), clean.shape)


def fidelity(operator: HadamardSubsampling, m: jax.Array, weight: float) -> Any:
    """weight / 2 ||A x - m||^2, with a prox in closed form as A A^T = I."""
    return weight * tight(LeastSquares(None, m), operator)


def diffusion_samples(
    name: str, network: Any, operator: Any, m: jax.Array, key: jax.Array, settings: Settings
) -> jax.Array:
    """Samples (sample, y, x) of the posterior of one image, by DPS or DiffPIR."""
    levels = variance_exploding(3.0, 0.01, settings.levels)
    start = jnp.full((SIDE, SIDE), 0.5)

    def sample(key: jax.Array) -> jax.Array:
        if name == "DPS":
            f = fidelity(operator, m, 1.0)
            method = diffusion_posterior_sampling(f, network, levels, key, strength=0.5)
        else:
            f = fidelity(operator, m, 1 / NOISE**2)
            method = diffpir(f, network, levels, key, weight=1.0, fresh=0.5)
        return solve(method, start, settings.levels)[0]

    return jax.vmap(sample)(jax.random.split(key, settings.samples))


def langevin_chain(
    network: Any, operator: Any, m: jax.Array, key: jax.Array, settings: Settings
) -> Any:
    """The chain of one image by PnP-ULA, from the image of least squares."""
    sigma, variance = 0.03, NOISE**2
    f = fidelity(operator, m, 1 / variance)
    step = 0.3 / (1 / variance + 1 / sigma**2)
    method = plug_and_play_langevin(f, network, sigma, key, step)
    return posterior_moments(
        method,
        operator.adjoint(m),
        settings.steps,
        burn_in=settings.burn_in,
        thinning=settings.thinning,
        trace=lambda x: x[::8, ::8],
    )


def diffusion(name: str, network: Any, settings: Settings) -> dict[str, Any]:
    """Mean, deviation, ranks and the first sample of all images."""
    operator, truth, data = problem(settings)
    keys = jax.random.split(jax.random.key(2), len(truth))

    @nn.jit
    def run(network: Any, operator: Any, m: jax.Array, key: jax.Array) -> jax.Array:
        return diffusion_samples(name, network, operator, m, key, settings)

    samples = np.stack([run(network, operator, m, k) for m, k in zip(data, keys, strict=True)])
    ranks = jax.vmap(rank_transform)(truth, jnp.asarray(samples), keys)
    return {
        "mean": samples.mean(axis=1),
        "deviation": samples.std(axis=1, ddof=1),
        "sample": samples[:, 0],
        "transform": np.asarray(ranks),
    }


def langevin(network: Any, settings: Settings) -> dict[str, Any]:
    """The same, with the effective number of samples of 16 pixels of each image."""
    operator, truth, data = problem(settings)
    keys = jax.random.split(jax.random.key(3), len(truth))

    @nn.jit
    def run(network: Any, operator: Any, data: jax.Array, keys: jax.Array) -> tuple:
        def one(m: jax.Array, key: jax.Array) -> tuple:
            chain = langevin_chain(network, operator, m, key, settings)
            return chain.moments, chain.state.x, effective_sample_size(chain.history)

        return jax.vmap(one)(data, keys)

    moments, last, size = run(network, operator, data, keys)
    deviation = jax.vmap(lambda chain: chain.deviation())(moments)
    return {
        "mean": np.asarray(moments.mean),
        "deviation": np.asarray(deviation),
        "sample": np.asarray(last),
        "transform": np.asarray(normal_transform(truth, moments.mean, deviation)),
        "effective samples": float(jnp.median(size)),
    }


METHODS = {
    "DPS": lambda network, settings: diffusion("DPS", network, settings),
    "DiffPIR": lambda network, settings: diffusion("DiffPIR", network, settings),
    "PnP-ULA": langevin,
}


def run(output_folder: str | Path | None = None, settings: Settings = FULL) -> tuple[dict, Any]:
    """Sample with every method; returns (results, matplotlib figure), saves the figure."""
    network = train.load_weights(WEIGHTS, nnx.eval_shape(lambda: ScoreNetwork(rngs=nnx.Rngs(0))))
    results: dict[str, dict[str, Any]] = {}
    for name, method in METHODS.items():
        began = time.perf_counter()
        results[name] = method(network, settings)
        results[name]["seconds"] = time.perf_counter() - began
    return assess(results, output_folder, settings)


def assess(results: dict, output_folder: str | Path | None, settings: Settings) -> tuple[dict, Any]:
    """PSNR of means and samples, and the coverage of credible intervals; draws the figure."""
    operator, truth, data = problem(settings)
    start = np.asarray(jax.vmap(operator.adjoint)(data))
    for result in results.values():
        result["PSNR of the mean"] = float(jnp.mean(psnr(result["mean"], truth, 1.0)))
        result["PSNR of a sample"] = float(jnp.mean(psnr(result["sample"], truth, 1.0)))
        result["coverage"] = np.asarray(coverage(jnp.asarray(result["transform"]), LEVELS))
        error = np.abs(result["mean"] - truth)
        result["mean deviation"] = float(result["deviation"].mean())
        result["rms error"] = float(np.sqrt(np.mean(error**2)))
    figure = draw(results, np.asarray(truth), start)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "posterior_sampling.png")
    return results, figure


def draw(results: dict, truth: np.ndarray, start: np.ndarray) -> Any:
    """One test image in every method; the coverage is that of all of them."""
    figure, axes = plot.subplots(len(results), 5, size=(2.4, 2.4))
    k = int(np.argmax(truth.std(axis=(1, 2))))
    plot.show(axes[0, 0], truth[k], "truth", window=(0, 1))
    plot.show(axes[1, 0], start[k], "least squares", window=(0, 1))
    curves = {name: result["coverage"] for name, result in results.items()}
    label = {"xlabel": "credible level", "title": "truths inside"}
    plot.curves(axes[2, 0], np.array(LEVELS), curves | {"exact": np.array(LEVELS)}, **label)
    axes[2, 0].legend(frameon=False, fontsize=7)
    for row, (name, result) in zip(axes[:, 1:], results.items(), strict=True):
        error = np.abs(result["mean"][k] - truth[k])
        plot.show(row[0], result["sample"][k], f"{name}: a sample", window=(0, 1))
        plot.show(row[1], result["mean"][k], f"{name}: mean", window=(0, 1))
        plot.show(row[2], result["deviation"][k], "deviation, to 0.2", window=(0, 0.2))
        plot.show(row[3], error, "error of the mean, to 0.2", window=(0, 0.2))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few images, samples and levels")
    parser.add_argument("--output", default="results", help="folder to write to")
    parser.add_argument("--train", action="store_true", help="train the denoiser first")
    arguments = parser.parse_args()
    if arguments.train:
        train_network(Path(arguments.output) / "posterior_sampling_checkpoints")
    results, _ = run(arguments.output, QUICK if arguments.quick else FULL)
    print(f"{'method':9s} {'mean':>8s} {'a sample':>9s} {'error':>6s} {'deviation':>10s}  truth in")
    for name, result in results.items():
        inside = ", ".join(
            f"{100 * c:.0f} of {100 * level:.0f} %"
            for c, level in zip(result["coverage"], LEVELS, strict=True)
        )
        print(
            f"{name:9s} {result['PSNR of the mean']:5.2f} dB {result['PSNR of a sample']:6.2f} dB "
            f"{result['rms error']:6.3f} {result['mean deviation']:10.3f}  {inside}"
        )
    print(f"PnP-ULA: {results['PnP-ULA']['effective samples']:.0f} effective samples of a pixel")


if __name__ == "__main__":
    main()
