"""Phantoms in the plane: made of ellipses, drawn as pixels, and their exact Radon transform.

Coordinates in mm from the image centre: x grows along a row, y from the first row to the last, so
the first row, at the top of a plot, has the smallest y.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.data.line_integrals import Phantom, line_integrals, sum_over_shapes

# Columns: semi-axis along x, along y, centre x, centre y (upwards), rotation in degrees, and the
# values of the original and of the modified phantom.
_SHEPP_LOGAN = np.array(
    [
        [0.6900, 0.9200, 0.00, 0.0000, 0, 2.00, 1.0],
        [0.6624, 0.8740, 0.00, -0.0184, 0, -0.98, -0.8],
        [0.1100, 0.3100, 0.22, 0.0000, -18, -0.02, -0.2],
        [0.1600, 0.4100, -0.22, 0.0000, 18, -0.02, -0.2],
        [0.2100, 0.2500, 0.00, 0.3500, 0, 0.01, 0.1],
        [0.0460, 0.0460, 0.00, 0.1000, 0, 0.01, 0.1],
        [0.0460, 0.0460, 0.00, -0.1000, 0, 0.01, 0.1],
        [0.0460, 0.0230, -0.08, -0.6050, 0, 0.01, 0.1],
        [0.0230, 0.0230, 0.00, -0.6060, 0, 0.01, 0.1],
        [0.0230, 0.0460, 0.06, -0.6050, 0, 0.01, 0.1],
    ]
)


class Ellipses(Phantom):
    """A sum of n constant ellipses, f(x, y) = sum of the values of those that contain (x, y).

    Args:
        value: (n,), e.g. attenuation in 1/mm. All fields have its dtype.
        centre: (n, 2), x and y in mm.
        semi_axes: (n, 2) in mm, positive.
        angle: (n,), radians, from the x axis towards the y axis to the first semi-axis.

    Raises:
        ValueError: the number of ellipses differs between the fields.
    """

    dimension: ClassVar[int] = 2

    value: Any  # type: ignore[assignment]
    centre: Any  # type: ignore[assignment]
    semi_axes: Any
    angle: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        value = jnp.asarray(self.value)
        for name, shape in (("value", ()), ("centre", (2,)), ("semi_axes", (2,)), ("angle", ())):
            field = jnp.asarray(getattr(self, name), value.dtype)
            if field.shape != (value.size, *shape):
                raise ValueError(
                    f"Ellipses expected {name} of shape {(value.size, *shape)}, got {field.shape}."
                )
            self._set(name, field)

    def to_unit_ball(self) -> jax.Array:
        cos, sin = jnp.cos(self.angle), jnp.sin(self.angle)
        return jnp.stack([jnp.stack([cos, sin]), jnp.stack([-sin, cos])]) / self.semi_axes[:, None]


def shepp_logan(field_of_view: Any, variant: str = "modified", dtype: Any = None) -> Ellipses:
    """The Shepp-Logan head of ten ellipses, upright, 0.92 of the field of view high.

    Args:
        field_of_view: side in mm of the square that is [-1, 1]^2 in the paper; for an image of n
            pixels of size d this is n * d.
        variant: "modified" (Toft; values from 0 to 1, soft tissue visible) or "original" (skull 2,
            tissue about 1.02).
        dtype: float32 when not given.

    Raises:
        ValueError: unknown variant.

    Sources: Shepp and Logan 1974, doi:10.1109/TNS.1974.6499235; P. Toft, The Radon transform,
    PhD thesis, Technical University of Denmark, 1996.
    """
    check_choice(variant, ("modified", "original"), what="shepp_logan", argument="variant")
    dtype = jnp.float32 if dtype is None else dtype
    upright = np.array([1.0, -1.0])  # the table has y upwards
    half = jnp.asarray(field_of_view, dtype) / 2
    return Ellipses(
        value=jnp.asarray(_SHEPP_LOGAN[:, 5 if variant == "original" else 6], dtype),
        centre=half * jnp.asarray(_SHEPP_LOGAN[:, 2:4] * upright, dtype),
        semi_axes=half * jnp.asarray(_SHEPP_LOGAN[:, 0:2], dtype),
        angle=jnp.asarray(-np.deg2rad(_SHEPP_LOGAN[:, 4]), dtype),
    )


def random_ellipses(
    key: jax.Array,
    count: int,
    field_of_view: Any,
    *,
    value_range: tuple[float, float] = (-0.4, 1.0),
    mean_semi_axis: float = 0.2,
    dtype: Any = None,
) -> Ellipses:
    """`count` random ellipses, the usual training phantoms; a pure function of the key.

    Values uniform in value_range; centres uniform in the inner 90 % of the field of view in each
    coordinate; semi-axes exponential with mean `mean_semi_axis`; angles uniform. Ellipses may
    overlap and reach out of the field of view, and where negative ones overlap the sum is negative.

    Args:
        key: JAX random key; map over keys with `jax.vmap`.
        count: static number of ellipses.
        field_of_view: side of the square image in mm.
        value_range: smallest and largest value of one ellipse.
        mean_semi_axis: in units of half the field of view.
        dtype: float32 when not given.

    Raises:
        ValueError: a count that is no positive whole number.

    Source: Adler and Oktem 2017, doi:10.1088/1361-6420/aa9581.
    """
    count = check_positive_int(count, what="random_ellipses", argument="count")
    dtype = jnp.float32 if dtype is None else dtype
    values, centres, axes, angles = jax.random.split(key, 4)
    half = jnp.asarray(field_of_view, dtype) / 2
    low, high = value_range
    smallest = 1e-3  # of half the field of view, so that no ellipse is degenerate
    semi_axes = smallest + mean_semi_axis * jax.random.exponential(axes, (count, 2), dtype)
    return Ellipses(
        value=jax.random.uniform(values, (count,), dtype, low, high),
        centre=half * jax.random.uniform(centres, (count, 2), dtype, -0.9, 0.9),
        semi_axes=half * semi_axes,
        angle=jax.random.uniform(angles, (count,), dtype, 0, 2 * np.pi),
    )


def rasterise(
    phantom: Phantom, shape: tuple[int, int], pixel_size: Any, supersampling: int = 1
) -> jax.Array:
    """The phantom as an image (y, x): its value at pixel centres, or averaged over each pixel.

    Args:
        phantom: :class:`Ellipses` or another phantom in the plane; the image has its dtype.
        shape: static (rows, columns).
        pixel_size: mm, one number or (dy, dx).
        supersampling: k > 1 averages k x k points per pixel.

    Raises:
        ValueError: a phantom in space; shape or supersampling not positive whole numbers.
    """
    what = "rasterise"
    if phantom.dimension != 2:
        raise ValueError("rasterise expected a phantom in the plane; use rasterise_volume.")
    rows, columns = (check_positive_int(n, what=what, argument="shape") for n in shape)
    fine = check_positive_int(supersampling, what=what, argument="supersampling")
    return _rasterise(phantom, pixel_size, (rows, columns), fine)


@partial(jax.jit, static_argnums=(2, 3))
def _rasterise(phantom: Phantom, pixel_size: Any, shape: tuple[int, int], fine: int) -> jax.Array:
    rows, columns = shape
    dtype = phantom.value.dtype
    dy, dx = jnp.broadcast_to(jnp.asarray(pixel_size, dtype), (2,)) / fine
    y = dy * (jnp.arange(rows * fine, dtype=dtype) - (rows * fine - 1) / 2)[:, None]
    x = dx * (jnp.arange(columns * fine, dtype=dtype) - (columns * fine - 1) / 2)

    def one(ellipse: Phantom) -> jax.Array:
        return jnp.where(ellipse.contains(x, y), ellipse.value, 0)

    image = sum_over_shapes(phantom, one, (rows * fine, columns * fine))
    return image.reshape(rows, fine, columns, fine).mean(axis=(1, 3))


def radon(phantom: Phantom, angles: Any, positions: Any) -> jax.Array:
    r"""Exact line integrals p(view, bin) along the lines x cos(theta) + y sin(theta) = s.

    Args:
        phantom: :class:`Ellipses` or another phantom in the plane; the sinogram has its dtype.
        angles: theta of each view, (views,), radians.
        positions: s of each bin, (bins,) in mm.

    Returns:
        (views, bins), in mm times the unit of the values; :func:`line_integrals` has the details.
    """
    dtype = phantom.value.dtype
    theta = jnp.asarray(angles, dtype)
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    u, d = jnp.stack([cos, sin], axis=-1), jnp.stack([-sin, cos], axis=-1)
    s = jnp.asarray(positions, dtype)
    return line_integrals(phantom, s[:, None] * u[:, None], d[:, None])
