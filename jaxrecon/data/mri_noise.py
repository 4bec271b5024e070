"""Noise measured without signal."""

from __future__ import annotations

import numpy as np

from jaxrecon.data.mri_raw import RawData


def noise_samples(raw: RawData, *, match: bool = True) -> np.ndarray:
    r"""Samples of noise alone, for the covariance of the coils and prewhitening.

    Noise scans are often sampled at another rate. White noise has a variance that grows with the
    bandwidth, so that samples n of the scan are scaled to those of the imaging lines,
    n sqrt(t_noise / (b t_imaging)), with the dwell times t and the relative bandwidth b of the
    receiver that the header gives (1 if it does not).

    Args:
        raw: data with acquisitions that are flagged as noise.
        match: scale, if both dwell times are known.

    Returns:
        complex64 (coil, sample).

    Raises:
        ValueError: there are no such acquisitions, or their coils differ.

    Source: Kellman and McVeigh 2005, doi:10.1002/mrm.20713.
    """
    noise = raw.select(raw.flag("noise"))
    if not len(noise.data):
        raise ValueError(
            "noise_samples expected acquisitions flagged as noise, got none. Was the noise "
            "measured in a file of its own?"
        )
    if len({block.shape[0] for block in noise.data}) > 1:
        raise ValueError("noise_samples expected one number of coils in the noise scans.")
    imaging = raw.heads["sample_time_us"][raw.lines("imaging")]
    scales = np.ones(len(noise.data))
    if match and len(imaging) and imaging[0] > 0:
        dwell = noise.heads["sample_time_us"].astype(float)
        ratio = dwell / (imaging[0] * (raw.header.noise_bandwidth or 1))
        scales = np.where(dwell > 0, np.sqrt(ratio), 1)
    blocks = [s * block for s, block in zip(scales, noise.data, strict=True)]
    return np.concatenate(blocks, axis=1).astype(np.complex64)
