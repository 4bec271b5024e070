"""Small scans for tests: a phantom in closed form with coils, and coils that shift k-space."""

from functools import cache

import jax.numpy as jnp
import numpy as np

from jaxrecon.data import shepp_logan
from jaxrecon.linops.fourier import fft_centred
from jaxrecon.mri import simulate


@cache
def phantom_scan(n, coils):
    """k-space (coil, n, n) of the Shepp-Logan phantom, and the maps."""
    shape, size = (n, n), 240.0 / n
    maps = simulate.loop_maps(coils, shape, size, radius=70.0, distance=150.0, normalise="peak")
    sensitivities = simulate.fit_exponentials(maps, size, harmonics=1)
    positions = simulate.cartesian_positions(shape)
    kspace = simulate.phantom_kspace(shepp_logan(190.0), positions, shape, size, sensitivities)
    return kspace, simulate.sensitivity_maps(sensitivities, shape, size)


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
