"""Random ellipses, away from the training: noise, views, angles and images of other kinds.

Networks stay as they are for 30 views with 2.5 % of noise; the weight of total variation is in
proportion to the noise, down to 1 %. Data of one condition differ from those of training in one
thing:

- the noise, in % of the mean of the absolute data;
- the number of views; with more of them networks get A and m times one number, so that ||A|| is
  not above that of training;
- the angles: each view was taken at an angle that is off by a normal error, which the
  reconstruction does not know;
- the images: Shepp-Logan heads turned and scaled at random, and natural images.

Then, at the conditions of training: what part of the error contradicts the data, and what part lies
in the null space, where no data show it.

    python examples/random_ellipses.py --robustness [--output FOLDER] [--images 20]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from random_ellipses_networks import Study, backprojection, study

from jaxrecon import ct, nn, train
from jaxrecon.data import (
    Ellipses,
    dival_ellipses,
    natural_patches,
    rasterise,
    shepp_logan,
)
from jaxrecon.solvers import operator_norm

NOISE, VIEWS, FINE = 2.5, 30, 400
KEY = jax.random.key(11)
CHECKED = 8
"""Images whose errors are split into range and null space."""
SPLIT_STEPS = 80


class Condition(NamedTuple):
    """What data are simulated with; the defaults are those of training."""

    noise: float = NOISE
    """% of the mean of the absolute data"""
    views: int = VIEWS
    angle_error: float = 0.0
    """standard deviation in degrees"""
    images: str = "ellipses"


SWEEPS = {
    "noise in %": ("noise", (0.0, 1.0, 2.5, 5.0, 10.0)),
    "number of views": ("views", (10, 20, 30, 60)),
    "error of the angles in degrees": ("angle_error", (0.0, 0.5, 1.0, 2.0)),
    "images": ("images", ("ellipses", "heads", "natural")),
}
"""Name in the report -> (field of the condition, its values)."""


def head(key: jax.Array) -> jax.Array:
    """The Shepp-Logan head, turned by any angle and scaled by 0.6 to 1, (128, 128)."""
    turn, size = jax.random.split(key)
    angle = jax.random.uniform(turn, maxval=2 * jnp.pi)
    phantom = shepp_logan(128.0 * jax.random.uniform(size, minval=0.6))
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    x, y = phantom.centre.T
    centre = jnp.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
    turned = Ellipses(phantom.value, centre, phantom.semi_axes, phantom.angle + angle)
    return rasterise(turned, (128, 128), 1.0, 4)


def images_of(kind: str, count: int) -> jax.Array:
    """(count, 128, 128), values between 0 and 1 for heads and natural images."""
    if kind == "ellipses":
        return jnp.asarray(dival_ellipses("test", count))
    if kind == "heads":
        return jax.vmap(head)(jax.random.split(KEY, count))
    return jnp.asarray(natural_patches("test", 128, count))


@jax.jit
def clean_data(images: jax.Array, angles: jax.Array) -> jax.Array:
    """Line integrals at these angles, of the images interpolated to 400 x 400 pixels."""
    coarse = ct.ellipses_geometry()
    fine = coarse.replace(
        image_shape=(FINE, FINE), pixel_size=coarse.pixel_size * 128 / FINE, angles=angles
    )
    larger = jax.image.resize(images, (len(images), FINE, FINE), "linear")
    return jax.lax.map(partial(ct.project, geometry=fine, model="joseph"), larger)


def measured(condition: Condition, images: jax.Array) -> jax.Array:
    """Noisy data; views of the same number have the same noise, times its level."""
    error, noise = jax.random.split(KEY)
    angles = angles_of(condition.views)
    off = jnp.deg2rad(condition.angle_error) * jax.random.normal(error, angles.shape)
    clean = clean_data(images, angles + off)
    level = condition.noise / 100 * jnp.abs(clean).mean(axis=(1, 2), keepdims=True)
    return clean + level * jax.random.normal(noise, clean.shape)


def angles_of(views: int) -> jax.Array:
    return (jnp.arange(views) + 0.5) * jnp.pi / views


def study_of(views: int) -> Study:
    """What the reconstruction knows: equal angles."""
    geometry = ct.ellipses_geometry().replace(angles=angles_of(views))
    operator = ct.XRayTransform(geometry)
    return Study(operator, operator_norm(operator))


def network_reconstruction(module: Any, known: Study, data: jax.Array, norm: Any) -> jax.Array:
    """Images of a network that was trained with an operator of this norm."""
    scale = jnp.minimum(1, norm / known.norm)

    def some(m: jax.Array) -> jax.Array:
        start = backprojection(known, m[None])
        if isinstance(module, nn.DirectReconstruction):
            return module(m[None], lambda _: start)[0]
        return module(scale * known.operator, scale * m[None], start)[0]

    return jax.lax.map(some, data, batch_size=10)


def range_of(images: jax.Array) -> jax.Array:
    return images.max(axis=(1, 2)) - images.min(axis=(1, 2))


class Methods(NamedTuple):
    """What is compared."""

    total_variation: Callable
    """(study, data, weight) -> images"""
    weight: float
    networks: dict[str, Any]
    """name in the report -> trained module"""

    def functions(self) -> dict[str, Callable]:
        networks = dict.fromkeys(self.networks, network_reconstruction)
        return {"FBP": backprojection, "TV": self.total_variation} | networks

    def arguments(self, known: Study, data: jax.Array, noise: float, norm: Any) -> dict:
        """Name -> arguments of its function."""
        weight = jnp.float32(self.weight * max(noise, 1.0) / NOISE)
        networks = {name: (module, known, data, norm) for name, module in self.networks.items()}
        return {"FBP": (known, data), "TV": (known, data, weight)} | networks


def robustness(output: Path, methods: Methods, count: int) -> dict[str, train.Sweep]:
    """Sweep all conditions, check the consistency, and write one report into a folder."""
    norm = study().norm
    functions = methods.functions()

    def at(field: str, value: Any) -> tuple[dict, jax.Array]:
        condition = Condition(**{field: value})
        truth = images_of(condition.images, count)
        known = study_of(condition.views)
        data = measured(condition, truth)
        return methods.arguments(known, data, condition.noise, norm), truth

    sweeps = {}
    for name, (field, values) in SWEEPS.items():
        print(f"varying {name}: {', '.join(str(v) for v in values)}", flush=True)
        sweeps[name] = train.sweep(functions, partial(at, field), values, range_of)
    at_noise = SWEEPS["noise in %"][1].index(NOISE)
    trained = {name: found[at_noise] for name, found in sweeps["noise in %"].evaluations.items()}
    truth = images_of("ellipses", count)
    train.report(
        output, trained, truth, range_of(truth), reference="TV", sweeps=sweeps,
        consistency=consistencies(trained, truth[:CHECKED]),
    )  # fmt: skip
    print((output / "report.md").read_text())
    return sweeps


def consistencies(trained: dict[str, Any], truth: jax.Array) -> dict[str, train.Consistency]:
    """Of the first images of each method at the conditions of training, and of the truth."""
    known, data = study(), measured(Condition(), truth)
    check = jax.jit(partial(train.check_consistency, iterations=SPLIT_STEPS))
    images = {name: jnp.asarray(found.images[: len(truth)]) for name, found in trained.items()}
    return {
        name: check(known.operator, found, truth, data)
        for name, found in ({"truth": truth} | images).items()
    }
