"""Small scans for tests: a phantom in closed form with coils, and coils that shift k-space."""

from functools import cache

import jax.numpy as jnp
import numpy as np

from jaxrecon.data import Ellipses, rasterise, shepp_logan
from jaxrecon.linops.fourier import fft_centred
from jaxrecon.mri import simulate


@cache
def coil_array(n, coils):
    """Sensitivities in closed form over 240 mm, and the maps on n x n pixels."""
    shape, size = (n, n), 240.0 / n
    maps = simulate.loop_maps(coils, shape, size, radius=70.0, distance=150.0, normalise="peak")
    sensitivities = simulate.fit_exponentials(maps, size, harmonics=1)
    return sensitivities, simulate.sensitivity_maps(sensitivities, shape, size)


def measured(phantom, positions, n, coils):
    """k-space (coil, *samples) of a phantom in closed form."""
    sensitivities, _ = coil_array(n, coils)
    return simulate.phantom_kspace(phantom, positions, (n, n), 240.0 / n, sensitivities)


@cache
def phantom_scan(n, coils):
    """k-space (coil, n, n) of the Shepp-Logan phantom, and the maps."""
    kspace = measured(shepp_logan(190.0), simulate.cartesian_positions((n, n)), n, coils)
    return kspace, coil_array(n, coils)[1]


def thorax(heart=1.0, beat=0.0):
    """A chest without thin parts, whose heart may brighten and contract."""
    heart, beat = jnp.asarray(heart, float), jnp.asarray(beat, float)
    rows = [  # value, x, y, semi-axes
        (1.0, 0, 0, 92, 72),
        (-0.6, -46, -5, 26, 42),  # lungs
        (-0.6, 46, -5, 26, 42),
        (0.5, 0, 42, 17, 15),  # spine
        (0.6 * heart, 2, -15, 22 - 7 * beat, 24 - 6 * beat),
    ]
    value, x, y, a, b = (jnp.stack([jnp.asarray(r[i], float) for r in rows]) for i in range(5))
    return Ellipses(value, jnp.stack([x, y], -1), jnp.stack([a, b], -1), jnp.zeros(len(rows)))


def drawn(phantom, n):
    """The phantom on n x n pixels of 240 mm in all, averaged over each."""
    return rasterise(phantom, (n, n), 240.0 / n, 4)


def harmonic_scan(shape, harmonics, seed=0):
    """Random k-space, and that of coils with the maps exp(-2 pi i h . r / n): y_c(k) = y(k + h)."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    waves = [
        sum(
            h
            * (np.arange(n) - n // 2).reshape([-1 if b == a else 1 for b in range(len(shape))])
            / n
            for a, (h, n) in enumerate(zip(step, shape, strict=True))
        )
        for step in harmonics
    ]
    maps = np.stack([np.broadcast_to(np.exp(-2j * np.pi * w), shape) for w in waves])
    return fft_centred(jnp.asarray(maps * image), tuple(range(1, 1 + len(shape))))


def relative_error(x, reference):
    return float(jnp.linalg.norm(x - reference) / jnp.linalg.norm(reference))
