"""Subsets of the views of a CT scan, for SART and ordered subsets."""

from __future__ import annotations

from typing import Any

from jaxrecon.ct.operator import XRayTransform
from jaxrecon.solvers.subsets import Subsets, split_rows


def view_subsets(operator: XRayTransform, subsets: int, *, order: str = "bit reversal") -> Subsets:
    """The views of an X-ray transform in interleaved subsets, for jaxrecon.solvers.

    Subset s has the views s, s + subsets, s + 2 subsets, ... of the geometry. With views in the
    order of their angles, each subset sees the object from all sides. `sart` with as many subsets
    as views is SART, with fewer it is OS-SART. Angles and all other traced numbers of the geometry
    can change without compiling again, and be differentiated.

    Args:
        operator: with a model of non-negative weights: "shear", "planes" or "joseph".
        subsets: how many; it divides the number of views.
        order: of the visits, "bit reversal" (far apart in angle, one after the other) or
            "sequential".

    Raises:
        ValueError: subsets that do not divide the views (the message lists those that do), an
            unknown order.
        TypeError: not an XRayTransform.

    Source: Guan and Gordon 1994, doi:10.1088/0031-9155/39/11/013.
    """
    if not isinstance(operator, XRayTransform):
        raise TypeError(
            f"view_subsets expected an XRayTransform, got {type(operator).__name__}; "
            "XRayTransform(geometry, model='joseph') makes one."
        )
    return split_rows(operator, subsets, _take_views, order=order)


def _take_views(operator: Any, views: Any) -> XRayTransform:
    return XRayTransform(operator.geometry.take(views), operator.model)
