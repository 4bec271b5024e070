"""The learned methods of the lecture: what they are, how they are trained, where they are kept.

Each network refines an image that an approximate inverse made from the measurements. Training
simulates the measurements on the fly from patches in random orientation, with fresh noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm
from flax import nnx
from single_pixel_study import Study

from jaxrecon import nn, train
from jaxrecon.metrics import psnr
from jaxrecon.single_pixel import acquire, preprocess

STEPS = 3  # of the unrolled networks
NOISELESS = 0.0  # stands for infinitely many photons
PHOTONS = (50.0, 10.0, 2.0)
BATCH = 32
FIRST_LAYER_RATE = 1 / 64
"""Adam moves every weight alike, and those of the linear first layer are of the size of a Hadamard
pattern's, 1/64, where a convolution's are near 1: unscaled, the layer forgets its covariance."""

weights_folder = Path(str(files("jaxrecon") / "data" / "weights"))


def unet(rngs: nnx.Rngs, inputs: int = 1) -> nn.Normalised:
    """The network in every learned method: 0.15 million weights, all of a patch in view."""
    return nn.Normalised(nn.UNet((24, 40, 48), inputs=inputs, rngs=rngs))


def untrained(study: Study) -> dict[str, Any]:
    """Every network by name, with its initial weights."""
    weights, offset = study.estimator.affine()
    direct = {
        name: nn.DirectReconstruction(unet(nnx.Rngs(0)))
        for name in ("pinvnet", "compnet", *(f"compnet-{alpha:g}" for alpha in PHOTONS))
    }
    first = nn.AffineLayer(weights, offset, study.shape, free=True)
    shared = nn.UnrolledProximalGradient(unet(nnx.Rngs(0)), steps=STEPS, shared=True)
    each = nn.stacked(unet, STEPS, jax.random.key(0))
    return direct | {
        "freenet": nn.DirectReconstruction(unet(nnx.Rngs(0)), first),
        "unrolled-shared": shared,
        "unrolled": nn.UnrolledProximalGradient(each, steps=STEPS, shared=False),
        "denoiser": unet(nnx.Rngs(0), inputs=2),
    }


def load(study: Study, folder: Path = weights_folder) -> dict[str, Any]:
    """Every network by name, with the weights of a folder (those of the package by default)."""
    modules = {
        name: train.load_weights(folder / f"{name}.npz", module)
        for name, module in nnx.eval_shape(lambda: untrained(study)).items()
    }
    modules["freenet"] = move_first_layer(modules["freenet"], study, 1.0)
    return modules


def move_first_layer(module: Any, study: Study, sign: float) -> Any:
    """The free first layer plus or minus the linear MMSE estimator that its training starts from.

    Files hold the difference: it is a hundred times smaller than the layer, and so is the error
    that rounding it to a few bits leaves.
    """
    weights, offset = study.affine
    start = nn.AffineLayer(weights, offset, study.shape, free=True)
    first = jax.tree.map(lambda a, b: a + sign * b, module.first, start)
    return nn.DirectReconstruction(module.network, first)


def reconstruct(name: str, module: Any, study: Study, m: jax.Array, variance: Any = None) -> Any:
    """A batch of measurements (batch, M), with their noise variances, to images (batch, y, x)."""
    if name == "pinvnet":
        return module(m, jax.vmap(study.operator.adjoint))
    if name == "freenet":
        return module(m)
    if variance is None:
        weights, offset = study.affine
        start = (m @ weights.T + offset).reshape(-1, *study.shape)
    else:
        start = jax.vmap(study.estimator)(m, variance)
    if name.startswith("unrolled"):
        return module(study.operator, m, start)
    return module(m, lambda _: start)


def measure(key: jax.Array, images: jax.Array, photons: Any, study: Study) -> tuple:
    """Preprocessed coefficients and variances of a batch at a photon level (one per image)."""
    keys = jax.random.split(key, len(images))
    photons = jnp.broadcast_to(photons, images.shape[:1])
    counts = jax.vmap(acquire, (0, 0, None, 0))(keys, images, study.split, photons)
    return preprocess(counts, photons, study.shape)


def relative_error(x: jax.Array, truth: jax.Array) -> jax.Array:
    """Mean over the batch of |x - f|^2 / |f - mean f|^2: every patch counts alike."""
    error = jnp.mean((x - truth) ** 2, axis=(1, 2))
    return jnp.mean(error / (jnp.var(truth, axis=(1, 2)) + 1e-3))


def random_orientation(key: jax.Array, images: jax.Array) -> jax.Array:
    """The batch in one of its eight flips and quarter turns."""
    flips = jax.random.bernoulli(key, shape=(3,))
    images = jnp.where(flips[0], images[:, ::-1], images)
    images = jnp.where(flips[1], images[:, :, ::-1], images)
    return jnp.where(flips[2], images.transpose(0, 2, 1), images)


def loss_of(name: str, study: Study, photons: float) -> Callable:
    def denoising(module: Any, images: jax.Array, key: jax.Array) -> jax.Array:
        orient, level, noise = jax.random.split(key, 3)
        images = random_orientation(orient, images)
        sigma = 10 ** jax.random.uniform(level, images.shape[:1], minval=-2.5, maxval=-0.5)
        noisy = images + sigma[:, None, None] * jax.random.normal(noise, images.shape)
        error = jnp.mean((nn.on_images(module, noisy, sigma) - images) ** 2, axis=(1, 2))
        return jnp.mean(
            error / sigma
        )  # between absolute and relative: both ends of the range count

    def reconstruction(module: Any, images: jax.Array, key: jax.Array) -> jax.Array:
        orient, level, noise = jax.random.split(key, 3)
        images = random_orientation(orient, images)
        if photons == NOISELESS:
            m, variance = jax.vmap(study.operator)(images), None
        else:
            around = jax.random.uniform(level, images.shape[:1], minval=0.75, maxval=1.25)
            m, variance = measure(noise, images, photons * around, study)
        return relative_error(reconstruct(name, module, study, m, variance), images)

    return denoising if name == "denoiser" else reconstruction


def optimiser_of(stage: Stage, patches: int) -> Any:
    """Adam. The weights of the free first layer get steps in proportion to their size."""
    adam = train.adam_cosine(stage.epochs * (patches // BATCH), stage.learning_rate)

    def in_first_layer(parameters: Any) -> Any:
        def inside(path: Any, _: Any) -> bool:
            return "first" in jax.tree_util.keystr(path)

        return jax.tree_util.tree_map_with_path(inside, parameters)

    return optax.chain(adam, optax.masked(optax.scale(FIRST_LAYER_RATE), in_first_layer))


class Stage(NamedTuple):
    name: str
    start: str | None
    """whose trained weights it starts from"""
    epochs: int
    learning_rate: float
    photons: float = NOISELESS


STAGES = (
    Stage("base", None, 16, 2e-3),
    Stage("compnet", "base", 12, 1e-3),
    Stage("unrolled-shared", "base", 5, 5e-4),
    Stage("freenet", "compnet", 12, 2e-4),
    Stage("pinvnet", "compnet", 12, 1e-3),
    Stage("unrolled", "unrolled-shared", 2, 4e-4),
    Stage("compnet-10", "base", 4, 5e-4, 10.0),
    Stage("compnet-50", "base", 3, 5e-4, 50.0),
    Stage("compnet-2", "compnet-10", 4, 5e-4, 2.0),
    Stage("denoiser", None, 24, 2e-3),
)
"""One long training gives the base; the others start from it, so that they differ in method only.
pinvnet and freenet start from compnet, the one on another input and the other with its first layer
free, and get as many further epochs as compnet had from the base."""


BITS = {"base": 32, "freenet": 7}
"""Bits of a weight in the files that ship, 8 unless given: the free layer has most of them."""


def train_all(study: Study, folder: Path = weights_folder, only: tuple[str, ...] = ()) -> None:
    """Train every network in turn and write its weights; prints the time and the validation.

    `only` trains some of the stages, from the weights that lie in `folder`.
    """
    modules = untrained(study)
    modules["base"] = modules["compnet"]
    began = time.perf_counter()
    for stage in STAGES:
        if only and stage.name not in only:
            continue
        module = modules[stage.name]
        if stage.start is not None:
            source = train.load_weights(folder / f"{stage.start}.npz", modules[stage.start])
            module = inherit(module, source)

        quality = nn.jit(partial(validation_psnr, stage.name, stage.photons))
        result = train.fit(
            module,
            loss_of(stage.name, study, stage.photons),
            study.train,
            key=jax.random.key(hash_of(stage.name)),
            epochs=stage.epochs,
            batch_size=BATCH,
            optimiser=optimiser_of(stage, len(study.train)),
            validate=partial(quality, study),
            progress=lambda it, n, name=stage.name: tqdm.tqdm(it, total=n, desc=name),
        )
        bits = BITS.get(stage.name, 8)
        module = result.module
        if stage.name == "freenet":
            module = move_first_layer(module, study, -1.0)
        size = train.save_weights(folder / f"{stage.name}.npz", module, bits=bits)
        print(
            f"{stage.name}: {nn.parameter_count(result.module):,} parameters, {size / 1e3:.0f} kB, "
            f"validation {np.array2string(result.validation, precision=2)} dB, "
            f"{(time.perf_counter() - began) / 60:.1f} minutes since the start",
            flush=True,
        )
    (folder / "base.npz").unlink(missing_ok=True) if not only else None


def validation_psnr(name: str, photons: float, study: Study, module: Any) -> jax.Array:
    """Mean PSNR on the validation patches, with the noise that the network is trained for."""
    key, truth = jax.random.key(1), study.validation
    if name == "denoiser":
        noisy = truth + 0.1 * jax.random.normal(key, truth.shape)
        return psnr(nn.on_images(module, noisy, 0.1), truth, 1.0).mean()
    if photons == NOISELESS:
        m, variance = jax.vmap(study.operator)(truth), None
    else:
        m, variance = measure(key, truth, photons, study)
    x = reconstruct(name, module, study, m, variance)
    return psnr(x, truth, study.range_of(truth)).mean()


def inherit(module: Any, source: Any) -> Any:
    """`module` with the U-Net of `source`; stacked networks get a copy each."""
    if isinstance(module, nn.UnrolledProximalGradient) and not module.shared:
        copies = jax.tree.map(lambda a: jnp.stack([a] * STEPS), source.network)
        new = nn.UnrolledProximalGradient(copies, steps=STEPS, shared=False)
        new.step_sizes = source.step_sizes
        return new
    if isinstance(module, nn.UnrolledProximalGradient):
        return nn.UnrolledProximalGradient(source.network, steps=STEPS, shared=True)
    return nn.DirectReconstruction(source.network, module.first)


def hash_of(name: str) -> int:
    """A fixed number for a name (Python's own hash changes from run to run)."""
    return sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31
