import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jaxrecon.mri.metrics import volume_quality


def test_the_figures_are_those_of_the_reference_implementation():
    """fastmri.evaluate: scikit-image with the maximum of the volume as data range."""
    random = np.random.default_rng(0)
    truth = random.random((4, 24, 20)).astype(np.float32) * np.array([1, 0.2, 0.5, 0.8])[
        :, None, None
    ].astype(np.float32)
    x = truth + 0.05 * random.normal(size=truth.shape).astype(np.float32)
    found = volume_quality(x, truth)
    span = truth.max()
    ssim = np.mean(
        [structural_similarity(t, a, data_range=span) for t, a in zip(truth, x, strict=True)]
    )
    np.testing.assert_allclose(found.psnr, peak_signal_noise_ratio(truth, x, data_range=span),
                               rtol=1e-5)  # fmt: skip
    np.testing.assert_allclose(found.ssim, ssim, rtol=1e-4)
    nmse = np.linalg.norm(truth - x) ** 2 / np.linalg.norm(truth) ** 2
    np.testing.assert_allclose(found.nmse, nmse, rtol=1e-5)
    wider = volume_quality(x, truth, 2 * span)
    np.testing.assert_allclose(wider.psnr - found.psnr, 20 * np.log10(2), rtol=1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match=r"\(slice, y, x\)"):
        volume_quality(np.ones((8, 8)), np.ones((8, 8)))
    with pytest.raises(TypeError, match="real x"):
        volume_quality(np.ones((2, 8, 8), complex), np.ones((2, 8, 8), complex))
