"""Ellipses and ellipsoids on the grid of a geometry, and their exact chords along its rays."""

import jax
import jax.numpy as jnp
import numpy as np


def sampled(geometry, middle, semi_axes, fine=5):
    """Mean over each pixel of the indicator, by fine samples a side; middle in (x, y[, z])."""
    d = len(geometry.image_shape)
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    axes = [
        (np.asarray(positions, np.float64)[:, None] + offsets * float(size)).ravel()
        for positions, size in zip(geometry.pixel_positions(), geometry.pixel_size, strict=True)
    ]
    radius = 0
    for axis, positions in enumerate(axes):
        part = ((positions - middle[d - 1 - axis]) / semi_axes[d - 1 - axis]) ** 2
        radius = radius + part.reshape([-1 if a == axis else 1 for a in range(d)])
    inside = (radius <= 1).astype(np.float64)
    shape = sum(((n, fine) for n in geometry.image_shape), ())
    return jnp.asarray(inside.reshape(shape).mean(tuple(range(1, 2 * d, 2))), geometry.dtype)


def chords(geometry, middle, semi_axes):
    """mm of every ray inside: 2 sqrt(b^2 - a c) / a with a t^2 + 2 b t + c = 0 at both ends."""
    point, direction = (np.asarray(a, np.float64) for a in geometry.rays())
    p, r = (point - np.asarray(middle)) / semi_axes, direction / semi_axes
    a, b, c = (r * r).sum(-1), (p * r).sum(-1), (p * p).sum(-1) - 1
    return 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a


def blob(geometry, middle, deviations):
    """A Gaussian at the pixel centres, and its exact integrals along the rays."""
    total = 0
    d = len(geometry.image_shape)
    for axis, positions in enumerate(geometry.pixel_positions()):
        part = (np.asarray(positions, np.float64) - middle[d - 1 - axis]) / deviations[d - 1 - axis]
        total = total + (part**2).reshape([-1 if a == axis else 1 for a in range(d)])
    point, direction = (np.asarray(a, np.float64) for a in geometry.rays())
    p, r = (point - np.asarray(middle)) / deviations, direction / deviations
    a, b, c = (r * r).sum(-1), (p * r).sum(-1), (p * p).sum(-1)
    integrals = np.sqrt(2 * np.pi / a) * np.exp((b * b / a - c) / 2)
    return jnp.asarray(np.exp(-total / 2), geometry.dtype), integrals


def relative(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return float(np.linalg.norm(x - y) / np.linalg.norm(y))


def dot_error(project, backproject, geometry, nonnegative=False):
    """|<A x, y> - <x, A^H y>| / (|A x| |y|) for random x and y, summed in float64."""
    generator = np.random.default_rng(3)
    draw = generator.random if nonnegative else generator.standard_normal
    x = jnp.asarray(draw(geometry.image_shape), geometry.dtype)
    y = jnp.asarray(draw(geometry.sinogram_space.shape), geometry.dtype)
    ax, ahy = (np.asarray(a, np.float64) for a in (project(x, geometry), backproject(y, geometry)))
    difference = np.vdot(ax, np.asarray(y, np.float64)) - np.vdot(np.asarray(x, np.float64), ahy)
    return abs(difference) / np.linalg.norm(ax) / np.linalg.norm(np.asarray(y, np.float64))


def smooth_image(geometry):
    """A Gaussian blob off the middle, its deviation a fifth of the image."""
    total = 0
    for axis, n in enumerate(geometry.image_shape):
        part = ((np.arange(n) - 0.45 * n + 0.3 * axis) / (0.2 * n)) ** 2
        total = total + part.reshape(
            [-1 if a == axis else 1 for a in range(len(geometry.image_shape))]
        )
    return jnp.asarray(np.exp(-total / 2), geometry.dtype)


def gradient_errors(measure, geometry, spacing=1e-6):
    """Of each traced field: |jax.grad along a direction - central difference| / |gradient|.

    `measure` is a real function of the geometry. One compilation serves all fields.
    """
    leaves, tree = jax.tree.flatten(geometry)
    generator = np.random.default_rng(5)
    value_and_grad = jax.jit(
        jax.value_and_grad(lambda some: measure(jax.tree.unflatten(tree, some)))
    )
    gradients = value_and_grad(leaves)[1]
    errors = []
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        change = jnp.asarray(generator.standard_normal(leaf.shape), leaf.dtype)
        ends = [
            value_and_grad([*leaves[:i], leaf + sign * spacing * change, *leaves[i + 1 :]])[0]
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * spacing)
        scale = float(jnp.linalg.norm(gradient) * jnp.linalg.norm(change))
        errors.append(abs(float(jnp.vdot(gradient, change) - slope)) / scale)
    return errors
