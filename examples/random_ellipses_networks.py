"""The learned methods of the random-ellipses table: what they are, and how they are trained.

Training draws images (from the first of DIVal's training set, in their eight orientations, or
endless new ones), simulates their data as DIVal does, with fresh noise, and starts every method
from the same filtered backprojection, all inside the compiled step.

    python examples/random_ellipses_networks.py lpd-320 [--folder FOLDER] [--steps N]

trains one of TRAININGS, resumes it if FOLDER holds checkpoints, and writes its weights. On a GPU
``lpd-streamed --steps 60000 --batch 16`` sees thirty times the images of the publication; likewise
``lgd-streamed`` and ``unet-streamed``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import tqdm
from flax import nnx

from jaxrecon import ct, metrics, nn, train
from jaxrecon.data import (
    Generated,
    Stream,
    dival_ellipses,
    random_dival_ellipses,
)
from jaxrecon.solvers import operator_norm

VALIDATION = 40
WINDOW, CUTOFF = "hann", 0.7
COOLING = 1500
"""Last steps of a training, in which the learning rate falls to 0."""

weights_folder = Path(str(files("jaxrecon") / "data" / "weights"))


class Training(NamedTuple):
    network: str
    images: int
    """of the training set; 0 draws new ones for ever"""
    steps: int
    batch: int
    learning_rate: float = 1e-3


TRAININGS = {
    "lpd-32": Training("lpd", 32, 5_000, 2),
    "lpd-320": Training("lpd", 320, 21_000, 2),
    "lgd-320": Training("lgd", 320, 13_200, 2),
    "unet-320": Training("unet", 320, 21_000, 2),
    "lpd-streamed": Training("lpd", 0, 9_500, 2),
    "lgd-streamed": Training("lgd", 0, 13_200, 2),
    "unet-streamed": Training("unet", 0, 21_000, 2),
}


class Study(NamedTuple):
    """What all methods share; a pytree."""

    operator: ct.XRayTransform
    norm: jax.Array


def study() -> Study:
    operator = ct.XRayTransform(ct.ellipses_geometry())
    return Study(operator, operator_norm(operator))


def network(name: str, norm: Any) -> Any:
    """The untrained network of a method."""
    rngs = nnx.Rngs(0)
    if name == "lpd":
        return nn.LearnedPrimalDual(10, operator_norm=norm, rngs=rngs)
    if name == "lgd":
        return nn.LearnedGradient(10, operator_norm=norm, rngs=rngs)
    return nn.DirectReconstruction(nn.UNet((32, 64, 128, 128), fold=1, rngs=rngs))


def backprojection(study: Study, data: jax.Array) -> jax.Array:
    """Filtered backprojections of a batch of data."""
    geometry: Any = study.operator.geometry
    return jax.vmap(lambda m: ct.filtered_backprojection(m, geometry, WINDOW, CUTOFF))(data)


def reconstruct(module: Any, study: Study, data: jax.Array) -> jax.Array:
    """A batch of data (batch, view, bin) to images (batch, y, x)."""
    start = backprojection(study, data)
    if isinstance(module, nn.DirectReconstruction):
        return module(data, lambda _: start)
    return module(study.operator, data, start)


def load(name: str, study: Study, folder: Path = weights_folder) -> Any:
    """A trained network."""
    like = nnx.eval_shape(lambda: network(TRAININGS[name].network, study.norm))
    return train.load_weights(folder / f"ellipses-{name}.npz", like)


def oriented(image: jax.Array, which: jax.Array) -> jax.Array:
    """One of the eight flips and quarter turns of a square image."""
    image = jnp.where(which & 1, image[::-1], image)
    image = jnp.where(which & 2, image[:, ::-1], image)
    return jnp.where(which & 4, image.T, image)


def from_training_set(images: jax.Array, batch: int, key: jax.Array) -> jax.Array:
    item, orientation = jax.random.split(key)
    chosen = images[jax.random.randint(item, (batch,), 0, len(images))]
    return jax.vmap(oriented)(chosen, jax.random.randint(orientation, (batch,), 0, 8))


def new_images(batch: int, key: jax.Array) -> jax.Array:
    return jax.vmap(random_dival_ellipses)(jax.random.split(key, batch))


def with_data(images: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(images, noisy data)."""
    return images, ct.ellipses_measurements(images, key=key)


def stream_of(training: Training) -> Stream:
    draw: Callable = partial(new_images, training.batch)
    if training.images:
        images = jnp.asarray(dival_ellipses("train", training.images))
        draw = jax.tree_util.Partial(
            lambda images, key: from_training_set(images, training.batch, key), images
        )
    return Generated(draw).map(with_data)


def squared_error(study: Study, module: Any, batch: tuple, key: jax.Array) -> jax.Array:
    images, data = batch
    return jnp.mean((reconstruct(module, study, data) - images) ** 2)


def optimiser_of(training: Training) -> Any:
    """Adam at a constant rate after a warm-up, cooled down to 0 over the last steps."""
    cooling = min(COOLING, training.steps // 4)
    rate = optax.join_schedules(
        [
            optax.linear_schedule(0.0, training.learning_rate, 200),
            optax.linear_schedule(training.learning_rate, 0.0, cooling),
        ],
        [training.steps - cooling],
    )
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, b2=0.99))


def mean_psnr(
    reconstruction: Callable, study: Study, images: jax.Array, data: jax.Array, module: Any
) -> float:
    found = jnp.concatenate([reconstruction(module, study, m) for m in jnp.split(data, 4)])
    span = images.max(axis=(1, 2)) - images.min(axis=(1, 2))
    return float(metrics.psnr(found, images, span).mean())


def train_one(name: str, folder: Path, **changes: int | None) -> Path:
    """Train, or go on with, one of TRAININGS; the last file written has its weights.

    Args:
        name: of TRAININGS.
        folder: for checkpoints, logs, the figure and the weights.
        changes: fields of the training that differ; None keeps its own.
    """
    given = {field: value for field, value in changes.items() if value is not None}
    training = TRAININGS[name]._replace(**given)
    shared = study()
    images = jnp.asarray(dival_ellipses("validation", VALIDATION))
    data = ct.ellipses_measurements(images, part="validation")
    result = train.fit(
        network(training.network, shared.norm),
        jax.tree_util.Partial(squared_error, shared),
        stream_of(training),
        key=jax.random.key(7),
        steps=training.steps,
        optimiser=optimiser_of(training),
        every=500,
        validate=partial(mean_psnr, nn.jit(reconstruct), shared, images, data),
        checkpoints=folder / name,
        log=folder / name,
        figure=folder / f"{name}.png",
        progress=lambda it, n: tqdm.tqdm(it, total=n, desc=name),
    )
    path = folder / f"ellipses-{name}.npz"
    size = train.save_weights(path, result.module, bits=8)
    print(
        f"{name}: {nn.parameter_count(result.module):,} parameters, {size / 1e3:.0f} kB, "
        f"validation {result.validation[-1]:.2f} dB after {training.steps} steps"
    )
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=list(TRAININGS))
    parser.add_argument("--folder", type=Path, default=Path("results/random_ellipses"))
    parser.add_argument("--steps", type=int, help="instead of those of the table of trainings")
    parser.add_argument("--batch", type=int, help="images a step, likewise")
    given = parser.parse_args()
    train_one(given.name, given.folder, steps=given.steps, batch=given.batch)


if __name__ == "__main__":
    main()
