"""scikit-image's radon and iradon for ct_vs_peers.py.

Its angles are ours with the other sign, and it turns the image about the pixel N // 2. iradon
without a filter is pi / (2 views) times a sum over the views; it is taken without that factor.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

from typing import Any

import numpy as np
from skimage.transform import iradon, radon


def main() -> None:
    data, _ = load()
    angles = -np.rad2deg(data["angles"])
    side = data["image"].shape[0]
    image, probe, sinogram = (
        data[name].T if name != "image" else data[name] for name in ("image", "probe", "sinogram")
    )
    image, probe, sinogram = (np.ascontiguousarray(a) for a in (image, probe, sinogram))

    def back(values: np.ndarray, filter_name: Any) -> np.ndarray:
        return iradon(values, angles, side, filter_name, "linear", circle=False)

    works = {
        "forward": lambda: radon(image, angles, circle=False),
        "adjoint": lambda: back(probe, None),
        "fbp": lambda: back(sinogram, "ramp"),
    }
    scale = {"adjoint": 2 * len(angles) / np.pi}
    serve(works, lambda name, a: a.T if name == "forward" else a * scale.get(name, 1))


if __name__ == "__main__":
    main()
