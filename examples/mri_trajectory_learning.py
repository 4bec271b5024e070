"""Learning where to sample: 16 readouts bent by gradient descent through the reconstruction.

Sixteen spokes of 256 samples start as a radial scan of a head of 112 x 96 pixels of 2 mm. Control
points of a spline bend each of them, and are trained with the reconstruction error itself: k-space
of a slice of 1 mm is sampled along the trajectory, with noise, and the image is the solution of

    (A^H A + damping I) x = A^H m

by conjugate gradients, differentiated at the solution in the positions of the samples. Gradient
amplitude and slew rate stay within the limits of a scanner by a penalty on what exceeds them.
Training sees the lower half of the head, the test the upper one.

    python examples/mri_trajectory_learning.py [output folder] [--steps 300]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrecon import metrics, plot
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.linops import NonuniformFourier
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.simulate import brain_slices
from jaxrecon.mri.trajectories import gradients, radial, uniform_angles

SHAPE, PIXEL = (112, 96), 2.0
SHOTS, SAMPLES, CONTROL = 16, 256, 32
RASTER = 10e-6
AMPLITUDE, SLEW_RATE = 40.0, 150.0  # mT/m and T/m/s
NOISE, DAMPING, ITERATIONS = 0.01, 0.02, 12
TRAINING, TEST = range(60, 96, 2), range(104, 128, 4)


def spline() -> np.ndarray:
    """(samples, control points): the cubic B-spline of each control point along a readout."""
    t = np.linspace(0, CONTROL - 3, SAMPLES)
    u = np.abs(t[:, None] - np.arange(-1, CONTROL - 1))
    inner, outer = 2 / 3 - u**2 + u**3 / 2, (2 - u) ** 3 / 6
    return np.where(u < 1, inner, np.where(u < 2, outer, 0)).astype(np.float32)


def trajectory(control: jax.Array) -> jax.Array:
    """(shot, sample, 2): spokes plus a spline with control points (shot, point, 2)."""
    spokes = radial(uniform_angles(SHOTS), SAMPLES)
    bend = jnp.einsum("sp,kpd->ksd", spline(), control, precision="highest")
    return jnp.clip(spokes + bend, -0.5, 0.5)


def low_passed(fine: jax.Array) -> jax.Array:
    """The image at 2 mm: the middle of k-space."""
    spectrum = fft_centred(fine, (-2, -1))
    first = [(big - n) // 2 for big, n in zip(fine.shape[-2:], SHAPE, strict=True)]
    middle = spectrum[..., first[0] : first[0] + SHAPE[0], first[1] : first[1] + SHAPE[1]]
    return ifft_centred(middle, (-2, -1)) / 2


def reconstruct(positions: jax.Array, fine: jax.Array, key: jax.Array) -> jax.Array:
    """Measure one slice of 1 mm along the trajectory, and solve."""
    measurement = NonuniformFourier(positions / 2, fine.shape, accuracy=1e-3)
    noise = jax.random.normal(key, positions.shape[:-1], jnp.complex64)
    data = measurement.apply(fine) / 2 + NOISE * noise
    A = NonuniformFourier(positions, SHAPE, accuracy=1e-3)
    scale = SHOTS * SAMPLES / np.prod(SHAPE)
    return solve_normal(
        A, A.adjoint(data), damping=DAMPING * scale, iterations=ITERATIONS, tolerance=1e-4
    )


def excess(positions: jax.Array) -> jax.Array:
    """Mean square of what exceeds the limits, each in units of its limit."""
    found = gradients(positions, PIXEL, RASTER)
    total = jnp.zeros(())
    for values, limit in ((found.amplitude, AMPLITUDE), (found.slew_rate, SLEW_RATE)):
        square = jnp.sum(values**2, axis=-1) / limit**2
        length = jnp.sqrt(jnp.maximum(square, 1e-6))
        total = total + jnp.mean(jnp.maximum(length - 0.9, 0) ** 2)
    return total


def loss(control: jax.Array, fine: jax.Array, key: jax.Array) -> jax.Array:
    """Relative error of a batch, and the penalty."""
    positions = trajectory(control)
    keys = jax.random.split(key, len(fine))
    x = jax.lax.map(lambda item: reconstruct(positions, *item), (fine, keys))
    truth = low_passed(fine)
    error = jnp.sum(jnp.abs(x - truth) ** 2) / jnp.sum(jnp.abs(truth) ** 2)
    return error + 100.0 * excess(positions)


def learn(
    fine: jax.Array, steps: int, batch: int, report: Callable[[str], Any]
) -> tuple[jax.Array, list[float]]:
    """(control points, losses)."""
    optimiser = optax.adam(optax.cosine_decay_schedule(4e-3, steps))

    @jax.jit
    def step(control: jax.Array, state: Any, fine: jax.Array, key: jax.Array) -> tuple:
        which, noise = jax.random.split(key)
        chosen = fine[jax.random.randint(which, (batch,), 0, len(fine))]
        value, slope = jax.value_and_grad(loss)(control, chosen, noise)
        updates, state = optimiser.update(slope, state)
        return optax.apply_updates(control, updates), state, value

    control = jnp.zeros((SHOTS, CONTROL, 2))
    state, losses = optimiser.init(control), []
    for i, key in enumerate(jax.random.split(jax.random.key(0), steps)):
        control, state, value = step(control, state, fine, key)
        losses.append(float(value))
        if (i + 1) % 25 == 0:
            report(f"step {i + 1:4d}  loss {np.mean(losses[-25:]):.4f}")
    return control, losses


def judge(positions: jax.Array, fine: jax.Array) -> tuple[np.ndarray, dict[str, float]]:
    """(images, mean PSNR in dB and the largest gradient and slew rate)."""
    keys = jax.random.split(jax.random.key(9), len(fine))
    run = jax.jit(lambda p, f, k: jax.lax.map(lambda item: reconstruct(p, *item), (f, k)))
    images = jnp.abs(run(positions, fine, keys))
    truth = jnp.abs(low_passed(fine))
    found = gradients(positions, PIXEL, RASTER)
    return np.asarray(images), {
        "PSNR": float(metrics.psnr(images, truth, truth.max(axis=(1, 2))).mean()),
        "mT/m": float(jnp.linalg.norm(found.amplitude, axis=-1).max()),
        "T/m/s": float(jnp.linalg.norm(found.slew_rate, axis=-1).max()),
    }


def run(
    output_folder: str | Path | None = None,
    *,
    steps: int = 300,
    batch: int = 2,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Learn and compare; returns (results, matplotlib figure) and saves the figure."""
    fine_shape = (2 * SHAPE[0], 2 * SHAPE[1])
    lower = brain_slices(TRAINING, shape=fine_shape, key=jax.random.key(1))
    upper = brain_slices(TEST, shape=fine_shape, key=jax.random.key(2))
    control, losses = learn(lower, steps, batch, report)
    paths = {"radial": trajectory(jnp.zeros_like(control)), "learned": trajectory(control)}
    images, results = {}, {}
    for name, positions in paths.items():
        images[name], results[name] = judge(positions, upper)
        line = ", ".join(f"{value:.2f} {unit}" for unit, value in results[name].items())
        report(f"{name:8s} {line}")
    figure = draw(paths, images, np.abs(low_passed(upper)), results, losses)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "mri_trajectory_learning.png")
    return results | {"losses": losses}, figure


def draw(paths: dict, images: dict, truth: np.ndarray, results: dict, losses: list) -> Any:
    """The two trajectories, their images, the truth and the loss."""
    figure, axes = plot.subplots(2, 3, (3.0, 3.0))
    for row, (name, positions) in zip(axes, paths.items(), strict=True):
        k = np.asarray(positions)
        for shot in range(SHOTS):
            row[0].plot(k[shot, :, 1], k[shot, :, 0], linewidth=0.7, color=plot.COLOURS[shot % 6])
        row[0].set(xlim=(-0.52, 0.52), ylim=(0.52, -0.52), aspect="equal")
        row[0].set_title(f"{name}: cycles per pixel", fontsize=9)
        window = (0.0, float(truth[2].max()))
        plot.show(row[1], images[name][2], f"{results[name]['PSNR']:.2f} dB", window=window)
    plot.show(axes[0, 2], truth[2], "truth", window=(0.0, float(truth[2].max())))
    axes[1, 2].plot(losses, linewidth=0.8, color=plot.COLOURS[0])
    axes[1, 2].set(xlabel="step", yscale="log")
    axes[1, 2].set_title("loss", fontsize=9)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    run(arguments.folder, steps=arguments.steps, report=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
