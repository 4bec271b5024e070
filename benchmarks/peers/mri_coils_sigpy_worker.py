"""SigPy's side of mri_coils_vs_sigpy.py: its EspiritCalib."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

from typing import Any

import numpy as np
import sigpy.mri as mr


def main() -> None:
    data, settings = load()
    kspace = data["kspace"]

    def espirit() -> tuple[np.ndarray, np.ndarray]:
        app: Any = mr.app.EspiritCalib(
            kspace,
            calib_width=settings["region"],
            thresh=settings["threshold"],
            kernel_width=settings["kernel"],
            crop=0,
            output_eigenvalue=True,
            show_pbar=False,
        )
        return app.run()

    def read(_: str, found: Any) -> np.ndarray:
        maps, eigenvalues = found
        return np.concatenate([maps, eigenvalues.reshape(1, *maps.shape[1:])])

    serve({"espirit": espirit}, read)


if __name__ == "__main__":
    main()
