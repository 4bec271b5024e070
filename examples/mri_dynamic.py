"""Dynamic MRI of a beating heart: radial spokes at golden angles, few for each frame.

Contrast agent passes through the right and left ventricle and into the muscle, while the heart
beats. Eight coils measure 13 spokes a frame, every spoke at the golden angle from the last; a fully
sampled frame of 128 x 128 pixels would need 201. The k-space of the ellipses that make the chest is
known in closed form, coils included, so that no pixel grid made the data.

- Coil maps come from the mean of all frames, in which the spokes sample k-space fully.
- Gridding, with density compensation: one frame alone, full of streaks.
- CG-SENSE: one frame alone, with the coil maps.
- Total variation in time (GRASP): min 1/2 ||A x - m||^2 + lambda ||D_t x||_1 by PD3O.
- Low rank plus sparse: x = L + S, the nuclear norm of L (frames x pixels) and ||F_t S||_1 of S, F_t
  the Fourier transform in time, by accelerated proximal gradients.
- Locally low rank: the nuclear norm of blocks of 8 x 8 pixels, which move in each step.

    python examples/mri_dynamic.py [output folder] [--steps 60]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import core, iterate, mri, plot, separable, solve, stack, tight
from jaxrecon.data import Ellipses, rasterise
from jaxrecon.functionals import L1, LeastSquares, LocallyLowRank, NuclearNorm, Zero
from jaxrecon.linops import FiniteDifference, Fourier, Frames, NonuniformFourier
from jaxrecon.solvers import conjugate_gradient, operator_norm, pd3o, pogm

SIZE, PIXEL, COILS, BEATS = 128, 2.5, 8, 6
NOISE = 0.02
"""sqrt(E |n|^2) of a coil, in units of the chest's brightness"""
TIME_TV, LOW_RANK, SPARSE, LOCAL = 0.006, 0.15, 0.008, 0.03
"""weights of the penalties, chosen by hand on this very series"""


class Series(NamedTuple):
    """A scan and what is true of it."""

    truth: jax.Array
    """(frame, y, x)"""
    data: jax.Array
    """(frame, coil, spoke, sample)"""
    positions: jax.Array
    """(frame, spoke, sample, 2)"""
    angles: jax.Array
    """(frame, spoke)"""


def chest(t: jax.Array) -> Ellipses:
    """The ellipses at time t from 0 to 1, in mm."""
    squeeze = 0.5 - 0.5 * jnp.cos(2 * np.pi * BEATS * t)  # 1 at the end of systole
    agent = [jnp.exp(-(((t - peak) / width) ** 2)) for peak, width in ((0.25, 0.1), (0.45, 0.13))]
    muscle = jax.nn.sigmoid((t - 0.5) / 0.05)
    left, right = 22 - 7 * squeeze, 1 - 0.2 * squeeze
    rows = [  # value, x, y, semi-axes, angle
        (1.0, 0, 0, 145, 105, 0.0),  # chest
        (-0.8, -70, -10, 52, 72, 0.1),  # lungs
        (-0.8, 72, -10, 50, 72, -0.1),
        (0.5, 0, 75, 22, 20, 0.0),  # spine
        (0.55, 20, 5, 38, 34, 0.5),  # muscle of the left ventricle
        (0.5 * muscle, 20, 5, 38, 34, 0.5),
        (0.1 + 1.4 * agent[1] - 0.5 * muscle, 20, 5, left, left * 0.9, 0.5),  # its blood
        (0.5 + 1.2 * agent[0], -38, -5, 22 * right, 34 * right, 0.3),  # right ventricle
        (0.4, 5, -60, 14, 14, 0.0),  # aorta
        (1.3 * agent[1], 5, -60, 14, 14, 0.0),
    ]
    value, x, y, a, b, angle = (
        jnp.stack([jnp.asarray(r[i], float) for r in rows]) for i in range(6)
    )
    return Ellipses(value, jnp.stack([x, y], -1), jnp.stack([a, b], -1), angle)


def measure(size: int, frames: int, spokes: int) -> Series:
    """Simulate the scan: each frame is still while it is measured."""
    pixel = PIXEL * SIZE / size
    shape = (size, size)
    maps = mri.simulate.loop_maps(
        COILS, shape, pixel, radius=75.0, distance=205.0, normalise="peak"
    )
    coils = mri.simulate.fit_exponentials(maps, pixel)
    angles = mri.trajectories.golden_angles(frames * spokes).reshape(frames, spokes)
    positions = jax.vmap(lambda a: mri.trajectories.radial(a, 2 * size))(angles)
    times = (jnp.arange(frames) + 0.5) / frames

    def one(item: tuple) -> tuple[jax.Array, jax.Array]:
        t, k = item
        phantom = chest(t)
        data = mri.simulate.phantom_kspace(phantom, k, shape, pixel, coils)
        return data, rasterise(phantom, shape, pixel, 4)

    data, truth = jax.lax.map(one, (times, positions))
    data = mri.simulate.coil_noise(
        jax.random.key(0), jnp.moveaxis(data, 1, 0), jnp.asarray(NOISE**2)
    )
    return Series(truth, jnp.moveaxis(data, 0, 1), positions, angles)


def coil_maps(series: Series) -> jax.Array:
    """From all spokes together, as if nothing had moved."""
    shape: Any = series.truth.shape[1:]
    angles, samples = series.angles.reshape(-1), series.positions.shape[-2]
    weights = mri.density.radial_density(angles, samples, shape)
    data = jnp.moveaxis(series.data, 1, 0).reshape(COILS, -1, samples)
    mean = mri.gridding(data, series.positions.reshape(-1, samples, 2), weights, shape)
    return mri.walsh(mean, window=7)


def encoding(series: Series, maps: jax.Array) -> Frames:
    """A: (frame, y, x) to (frame, coil, spoke, sample), scaled so that ||A|| is near 1."""

    def transform(k: jax.Array) -> NonuniformFourier:
        return NonuniformFourier(k, maps.shape[1:], accuracy=1e-3)

    still = mri.NonuniformSense(maps, transform(series.positions[0]))
    return Frames(still, {"fourier": jax.vmap(transform)(series.positions)}, together=1)


def gridded(series: Series, maps: jax.Array) -> jax.Array:
    shape: Any = series.truth.shape[1:]

    def one(item: tuple) -> jax.Array:
        data, k, angles = item
        weights = mri.density.radial_density(angles, k.shape[1], shape)
        return jnp.sum(maps.conj() * mri.gridding(data, k, weights, shape), axis=0)

    return jax.lax.map(one, (series.data, series.positions, series.angles))


def reconstructions(series: Series, maps: jax.Array, steps: int) -> dict[str, Callable]:
    """Name -> function that returns the film."""
    A = encoding(series, maps)
    norm = operator_norm(A)
    A, m = (1 / norm) * A, series.data / norm
    start = jnp.zeros(A.domain.shape, A.domain.dtype)
    run = jax.jit(lambda method, x0, n: solve(method, x0, n)[0], static_argnums=2)
    film = start.shape

    def time_variation() -> jax.Array:
        D = FiniteDifference(film, axes=(0,), dtype=start.dtype)
        method = pd3o(
            Zero(), TIME_TV * L1(), D, LeastSquares(A, m), primal_step=1.5, dual_step=0.16
        )
        return run(method, start, steps)

    def low_rank_and_sparse() -> jax.Array:
        both = stack(core.Identity(A.domain), core.Identity(A.domain)).H  # L, S -> L + S
        F = Fourier(film, axes=(0,))
        prior = separable(LOW_RANK * NuclearNorm(), SPARSE * tight(L1(), F))
        method = pogm(LeastSquares(A @ both, m), prior, 0.5, restart=True)
        low, sparse = run(method, (start, start), steps)
        return low + sparse

    def locally_low_rank() -> jax.Array:
        method = pogm(LeastSquares(A, m), LOCAL * LocallyLowRank((8, 8)), 1.0, restart=True)
        shifts = jax.random.randint(jax.random.key(1), (steps, 2), 0, 8)

        @jax.jit
        def film_of(method: Any, x0: jax.Array, shifts: jax.Array) -> jax.Array:
            def step(state: Any, shift: jax.Array) -> Any:
                return method.replace(simple=LOCAL * LocallyLowRank((8, 8), shift)).step(state)

            return iterate(step, method.init(x0), xs=shifts)[0].x

        return film_of(method, start, shifts)

    return {
        "gridding": lambda: gridded(series, maps),
        "CG-SENSE": lambda: run(conjugate_gradient(A, m), start, 8),
        "TV in time": time_variation,
        "low rank + sparse": low_rank_and_sparse,
        "locally low rank": locally_low_rank,
    }


def run(
    output_folder: str | Path | None = None,
    *,
    size: int = SIZE,
    frames: int = 32,
    spokes: int = 13,
    steps: int = 60,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Simulate and reconstruct; returns (results, matplotlib figure) and saves the figure."""
    series = measure(size, frames, spokes)
    maps = coil_maps(series)
    truth = np.asarray(series.truth) * np.asarray(received(size))
    heart = np.s_[:, int(0.3 * size) : int(0.68 * size), int(0.28 * size) : int(0.74 * size)]
    films, results = {"truth": truth}, {}
    report(f"{'':20s}{'error':>10s}{'of heart':>10s}{'seconds':>10s}")
    for name, reconstruct in reconstructions(series, maps, steps).items():
        began = time.perf_counter()
        films[name] = np.abs(np.asarray(reconstruct()))
        results[name] = {
            "error": relative(films[name], truth),
            "of heart": relative(films[name][heart], truth[heart]),
            "seconds": time.perf_counter() - began,
        }
        report(f"{name:20s}" + "".join(f"{value:10.3f}" for value in results[name].values()))
    figure = draw(films, results, size)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "mri_dynamic.png")
    return results, figure


def received(size: int) -> jax.Array:
    """Root sum of squares of the true coils: maps of unit length leave it in the image."""
    coils = mri.simulate.loop_maps(
        COILS, (size, size), PIXEL * SIZE / size, radius=75.0, distance=205.0, normalise="peak"
    )
    return jnp.linalg.norm(coils, axis=0)


def relative(x: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(x - truth) / np.linalg.norm(truth))


def draw(films: dict[str, np.ndarray], results: dict, size: int) -> Any:
    """Two frames of each film, and the course of a column through both ventricles."""
    figure, axes = plot.subplots(3, len(films), (2.3, 2.4))
    frames = len(films["truth"])
    window = (0.0, 0.8 * float(films["truth"].max()))
    row = int(size * 0.52)
    for column, (name, film) in zip(axes.T, films.items(), strict=True):
        title = name if name == "truth" else f"{name}\n{100 * results[name]['of heart']:.1f} %"
        for ax, t in zip(column, (int(0.27 * frames), int(0.48 * frames)), strict=False):
            plot.show(ax, film[t], title, window=window)
            title = f"frame {int(0.48 * frames)}"
        profile = film[:, row, int(0.2 * size) : int(0.8 * size)]
        plot.show(column[2], np.repeat(profile.T, max(1, size // 64), axis=1), window=window)
        column[2].set_xlabel("frame", fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--steps", type=int, default=60, help="of each method")
    arguments = parser.parse_args()
    run(arguments.folder, steps=arguments.steps, report=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
