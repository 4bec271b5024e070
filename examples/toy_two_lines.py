"""The smallest inverse problem: an image of two pixels, where every measurement is a line.

A measurement a1 f1 + a2 f2 = m allows all images on one line of the plane. Two lines meet in one
point; noise moves the lines, and where they are almost parallel it moves that point far; more lines
bring it back by least squares; and knowing that pixels are not negative may do the same for free.

    python examples/toy_two_lines.py [output folder]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import noise, plot, solve
from jaxrecon.functionals import LeastSquares, NonNegative
from jaxrecon.linops import Matrix
from jaxrecon.solvers import ista, solve_normal

TRUTH = jnp.array([0.6, 0.2])
SIGMA = 0.08
BLUE, RED, GREEN, YELLOW = plot.COLOURS[:4]


def lines_at(*degrees: float) -> Matrix:
    """Measurements along unit vectors: rows (cos, sin) of the angles."""
    angle = jnp.deg2rad(jnp.asarray(degrees))
    return Matrix(jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1))


def least_squares(operator: Matrix, data: jax.Array) -> jax.Array:
    """The point nearest to all lines; for two lines, the one where they meet."""
    return solve_normal(operator, operator.H(data))


def covariance(operator: Matrix, sigma: float) -> np.ndarray:
    """Of the least-squares point: sigma^2 (A^T A)^-1."""
    normal = jax.vmap(operator.normal)(jnp.eye(2))
    return np.linalg.inv(np.asarray(normal, np.float64)) * sigma**2


def run(output_folder: str | Path | None = None) -> tuple[dict, Any]:
    """Solve the four problems; returns (results, matplotlib figure) and saves the figure."""
    keys = jax.random.split(jax.random.key(4), 3)
    figure, axes = plot.subplots(2, 2, (4.0, 3.7))
    results = {"truth": TRUTH.tolist(), "sigma": SIGMA}

    crossing = lines_at(25, 115)
    exact = least_squares(crossing, crossing(TRUTH))
    results["two lines"] = exact.tolist()
    _plane(axes[0, 0], "Two measurements: two lines, one image")
    _lines(axes[0, 0], crossing, crossing(TRUTH), BLUE, "measurements")
    _point(axes[0, 0], TRUTH, "truth = solution", "black", "*")

    narrow = lines_at(35, 53)
    clean = narrow(TRUTH)
    repeats = jax.vmap(lambda key: noise.gaussian(key, clean, SIGMA))(
        jax.random.split(keys[0], 300)
    )
    cloud = jax.vmap(lambda m: least_squares(narrow, m))(repeats)
    worse = int(jnp.argmin(jnp.abs(cloud[:, 1] + 0.3)))  # a repetition with a negative pixel
    unlucky, free = repeats[worse], cloud[worse]
    spread = np.sqrt(np.linalg.eigvalsh(covariance(narrow, SIGMA)))
    results["condition number"] = float(np.linalg.cond(np.asarray(narrow.matrix)))
    results["deviations with 2 lines"] = spread.tolist()
    _plane(axes[0, 1], "Noise: almost parallel lines cross far off")
    axes[0, 1].plot(*np.asarray(cloud).T, ".", color=RED, markersize=2.5, alpha=0.4)
    _ellipse(axes[0, 1], np.asarray(TRUTH), covariance(narrow, SIGMA), RED, "95 % of repetitions")
    _lines(axes[0, 1], narrow, unlucky, BLUE, "noisy measurements")
    _point(axes[0, 1], free, "their crossing", RED, "o")
    _point(axes[0, 1], TRUTH, "truth", "black", "*")

    many = lines_at(35, 53, 5, 95, 130, 158, 20, 112)
    data = noise.gaussian(keys[1], many(TRUTH), SIGMA)
    point = least_squares(many, data)
    spread = np.sqrt(np.linalg.eigvalsh(covariance(many, SIGMA)))
    results["deviations with 8 lines"] = spread.tolist()
    results["error with 8 lines"] = float(jnp.linalg.norm(point - TRUTH))
    _plane(axes[1, 0], "More measurements: least squares finds the middle")
    _lines(axes[1, 0], many, data, BLUE, "8 noisy measurements")
    _ellipse(axes[1, 0], np.asarray(TRUTH), covariance(many, SIGMA), GREEN, "95 % of repetitions")
    _point(axes[1, 0], point, "least squares", GREEN, "o")
    _point(axes[1, 0], TRUTH, "truth", "black", "*")

    method = ista(LeastSquares(narrow, unlucky), NonNegative())
    start = jnp.array([0.05, 1.0])
    constrained, path = jax.jit(solve, static_argnums=2, static_argnames="trace")(
        method, start, 200, trace=_iterate
    )
    results["error without constraint"] = float(jnp.linalg.norm(free - TRUTH))
    results["error with non-negativity"] = float(jnp.linalg.norm(constrained - TRUTH))
    results["constrained"] = constrained.tolist()
    ax = axes[1, 1]
    _plane(ax, "The same two lines, knowing that f >= 0")
    _contours(ax, narrow, unlucky)
    ax.axvspan(-2, 0, color="#dddddd", zorder=0)
    ax.axhspan(-2, 0, xmin=_fraction(0), color="#dddddd", zorder=0)
    _lines(ax, narrow, unlucky, BLUE, "noisy measurements")
    path = np.concatenate([start[None], path])
    ax.plot(*path.T, ".-", color=YELLOW, markersize=4, linewidth=1, label="projected gradient")
    _point(ax, free, "their crossing", RED, "o")
    _point(ax, constrained, "non-negative solution", GREEN, "o")
    _point(ax, TRUTH, "truth", "black", "*")

    for ax in axes.flat:
        ax.legend(loc="upper right", fontsize=7, framealpha=0.9, edgecolor="none")
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "toy_two_lines.png")
    return results, figure


LOW, HIGH = -0.55, 1.55


def _iterate(state: Any) -> jax.Array:
    return state.x


def _plane(ax: Any, title: str) -> None:
    ax.set(xlim=(LOW, HIGH), ylim=(LOW, HIGH), xlabel="pixel f1", ylabel="pixel f2", aspect="equal")
    ax.set_title(title, fontsize=10)
    ax.axhline(0, color="#999999", linewidth=0.6)
    ax.axvline(0, color="#999999", linewidth=0.6)


def _fraction(value: float) -> float:
    return (value - LOW) / (HIGH - LOW)


def _lines(ax: Any, operator: Matrix, data: jax.Array, colour: str, label: str) -> None:
    for index, (row, m) in enumerate(zip(np.asarray(operator.matrix), data, strict=True)):
        along = np.array([-row[1], row[0]])
        ends = row * float(m) + np.array([[-5.0], [5.0]]) * along
        ax.plot(*ends.T, color=colour, linewidth=1.2, label=None if index else label)


def _point(ax: Any, point: Any, label: str, colour: str, marker: str) -> None:
    size = 130 if marker == "*" else 45
    ax.scatter(*point, s=size, c=colour, marker=marker, edgecolors="white", zorder=5, label=label)


def _ellipse(ax: Any, centre: np.ndarray, cov: np.ndarray, colour: str, label: str) -> None:
    values, vectors = np.linalg.eigh(cov)
    t = np.linspace(0, 2 * np.pi, 200)
    radius = np.sqrt(5.991 * values)  # 95 % quantile of chi-squared with 2 degrees of freedom
    curve = centre[:, None] + vectors @ (radius[:, None] * np.stack([np.cos(t), np.sin(t)]))
    ax.plot(*curve, color=colour, linewidth=1.3, linestyle="--", label=label)


def _contours(ax: Any, operator: Matrix, data: jax.Array) -> None:
    f = LeastSquares(operator, data)
    side = jnp.linspace(LOW, HIGH, 120)
    grid = jnp.stack(jnp.meshgrid(side, side), axis=-1)
    values = np.sqrt(jax.vmap(jax.vmap(f))(grid))
    ax.contour(side, side, values, levels=10, colors="#bbbbbb", linewidths=0.6, zorder=1)


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else "output"
    results, _ = run(folder)
    for name, value in results.items():
        print(f"{name:28s} {np.round(value, 3)}")


if __name__ == "__main__":
    main()
