import jax
import numpy as np
import pytest

from jaxrecon.linops.fourier import fft_centred
from jaxrecon.mri.operators.subspace import Subspace, SubspaceSense, temporal_basis


def complex_normal(random, *shape):
    return random.normal(size=shape) + 1j * random.normal(size=shape)


def test_sense_in_a_subspace_is_frame_by_frame_sense():
    with jax.enable_x64():
        random = np.random.default_rng(1)
        maps, basis = complex_normal(random, 3, 6, 5), complex_normal(random, 7, 2)
        masks = random.random((7, 6, 5)) < 0.4
        c = complex_normal(random, 2, 6, 5)
        expected = [
            mask * fft_centred(maps * (phi[0] * c[0] + phi[1] * c[1]), (-2, -1))
            for mask, phi in zip(masks, basis, strict=True)
        ]
        operator = SubspaceSense(maps, masks, basis)
        np.testing.assert_allclose(operator(c), np.stack(expected), atol=1e-12)
        np.testing.assert_allclose(
            operator.normal(c), operator.adjoint(operator.apply(c)), atol=1e-11
        )
        frames = Subspace(basis, (6, 5))(c)
        np.testing.assert_allclose(frames[4], np.tensordot(basis[4], c, 1), atol=1e-12)


def test_the_basis_spans_courses_of_its_rank():
    with jax.enable_x64():
        time = np.linspace(0, 1, 30)
        rates = np.linspace(1, 8, 50)[:, None]
        courses = np.exp(-rates * time) * np.exp(0.3j)
        basis, outside = temporal_basis(courses, 4)
        np.testing.assert_allclose(basis.conj().T @ basis, np.eye(4), atol=1e-12)
        rest = courses.T - basis @ (basis.conj().T @ courses.T)
        share = np.linalg.norm(rest) ** 2 / np.linalg.norm(courses) ** 2
        np.testing.assert_allclose(share, outside[-1], rtol=1e-6, atol=1e-14)
        assert outside[-1] < 1e-6 < outside[1]


def test_bad_input():
    maps, basis = np.ones((3, 6, 5), complex), np.ones((7, 2))
    with pytest.raises(ValueError, match="rank 8"):
        temporal_basis(np.ones((7, 20)), 8)
    with pytest.raises(ValueError, match="basis"):
        Subspace(np.ones(3), (4, 4))
    with pytest.raises(TypeError, match="boolean"):
        SubspaceSense(maps, np.ones((7, 6, 5)), basis)
    with pytest.raises(ValueError, match=r"masks .* \(7, 6, 5\)"):
        SubspaceSense(maps, np.ones((6, 6, 5), bool), basis)
    with pytest.raises(TypeError, match="complex maps"):
        SubspaceSense(maps.real, np.ones((7, 6, 5), bool), basis)
