"""Series of images: what frames know of each other makes up for what each did not measure."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import core, iterate, mri, separable, solve, stack, tight
from jaxrecon.functionals import L1, LeastSquares, LocallyLowRank, NuclearNorm
from jaxrecon.linops import Fourier, Frames, NonuniformFourier
from jaxrecon.mri import sampling, simulate, trajectories
from jaxrecon.mri.operators import exact_signal
from jaxrecon.solvers import conjugate_gradient, pogm
from tests.laws.cases import quick_jit
from tests.mri.scans import coil_array, drawn, measured, relative_error, thorax

N, COILS, FRAMES, STEPS = 32, 4, 16, 40
SHAPE = (N, N)


@cache
def beating_heart():
    """Truth (frame, y, x), and an operator of norm <= 1 with its noisy data: a quarter of the
    lines, others in each frame."""
    time = jnp.arange(FRAMES) / FRAMES
    beat = 0.5 - 0.5 * jnp.cos(4 * np.pi * time)
    bright = 1 + jnp.exp(-(((time - 0.4) / 0.15) ** 2))
    films = jax.jit(jax.vmap(lambda h, b: drawn(thorax(h, b), N)))
    positions = simulate.cartesian_positions(SHAPE)
    scan = jax.jit(jax.vmap(lambda h, b: measured(thorax(h, b), positions, N, COILS)))
    maps = coil_array(N, COILS)[1]
    scale = jnp.linalg.norm(maps, axis=0).max()
    masks = [
        sampling.variable_density_lines(N, 4, power=2, calibration=2, seed=s) for s in range(FRAMES)
    ]
    masks = np.stack(masks)[:, None, :, None]
    kspace = jnp.moveaxis(scan(bright, beat), 1, 0)
    kspace = jnp.moveaxis(simulate.coil_noise(jax.random.key(0), kspace, 0.03**2), 0, 1)
    data = jnp.where(masks, kspace, 0) / scale
    return films(bright, beat), mri.Sense(maps / scale, masks), data


@cache
def frame_by_frame():
    """The error of CG-SENSE, which knows one frame at a time."""
    truth, A, data = beating_heart()
    run = quick_jit(lambda A, y: solve(conjugate_gradient(A, y), jnp.zeros_like(truth + 0j), 10)[0])
    return relative_error(run(A, data), truth)


def test_low_rank_plus_sparse():
    truth, A, data = beating_heart()
    start = jnp.zeros_like(truth + 0j)

    @quick_jit
    def reconstruct(A, data):
        both = stack(core.Identity(A.domain), core.Identity(A.domain)).H  # L, S -> L + S
        F = Fourier(start.shape, axes=(0,))
        prior = separable(0.3 * NuclearNorm(), 0.01 * tight(L1(), F))
        method = pogm(LeastSquares(A @ both, data), prior, 0.5, restart=True)
        low, sparse = solve(method, (start, start), STEPS)[0]
        return low + sparse

    error = relative_error(reconstruct(A, data), truth)
    assert error < 0.6 * frame_by_frame()


def test_locally_low_rank():
    truth, A, data = beating_heart()
    shifts = jax.random.randint(jax.random.key(1), (STEPS, 2), 0, 8)

    @quick_jit
    def reconstruct(A, data):
        def prior(shift):
            return 0.05 * LocallyLowRank((8, 8), shift)

        method = pogm(LeastSquares(A, data), prior(jnp.zeros(2, int)), 1.0, restart=True)

        def step(state, shift):
            return method.replace(simple=prior(shift)).step(state)

        return iterate(step, method.init(jnp.zeros_like(truth + 0j)), xs=shifts)[0].x

    error = relative_error(reconstruct(A, data), truth)
    assert error < 0.6 * frame_by_frame()


def blobs():
    """Two tissues without edges, whose k-space ends within the spokes, and their decays."""
    y, x = (np.mgrid[:N, :N] - N // 2) / (N / 2)
    places = [(-0.2, -0.1, 0.09), (0.25, 0.2, 0.05)]
    tissues = [np.exp(-((y - a) ** 2 + (x - b) ** 2) / w) for a, b, w in places]
    echoes = 0.01 * (1 + np.arange(10))
    return np.stack(tissues), np.exp(-echoes / np.array([[0.03], [0.12]]))


def test_subspace_of_few_spokes_in_each_frame():
    tissues, decays = blobs()
    range_of_decays = np.exp(-0.01 * (1 + np.arange(10)) / np.geomspace(0.03, 0.12, 20)[:, None])
    basis, outside = mri.temporal_basis(range_of_decays, 3)
    assert outside[-1] < 1e-4
    frames, spokes = len(basis), 3
    angles = trajectories.golden_angles(frames * spokes).reshape(frames, spokes)
    positions = jax.vmap(partial(trajectories.radial, samples=2 * N))(angles)
    maps = coil_array(N, COILS)[1]
    films = jnp.asarray(np.einsum("it,iyx->tyx", decays, tissues), jnp.float32)
    truth = np.einsum("tk,it,iyx->kyx", basis.conj(), decays, tissues)

    @quick_jit
    def signal(film, positions):
        zeros = jnp.zeros(SHAPE)
        return jax.vmap(lambda s: exact_signal(s * film, positions, 0.0, zeros))(maps)

    data = jnp.stack([signal(f, k) for f, k in zip(films, positions, strict=True)])

    def transform(k):
        return NonuniformFourier(k, SHAPE, accuracy=1e-3, planned=False)

    still = mri.NonuniformSense(maps, transform(positions[0]))
    encoding = Frames(still, {"fourier": jax.vmap(transform)(positions)})
    subspace = mri.Subspace(basis, SHAPE, jnp.complex64)

    @quick_jit
    def cg(operator, data):
        zero = jnp.zeros(operator.domain.shape, data.dtype)
        return solve(conjugate_gradient(operator, data), zero, 30)[0]

    found = cg(encoding @ subspace, data)
    apart = subspace.H(cg(encoding, data))
    errors = relative_error(found, truth), relative_error(apart, truth)
    assert errors[0] < 0.02
    assert errors[0] < 0.2 * errors[1]
