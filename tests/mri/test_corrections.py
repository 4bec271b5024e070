"""Scans that are not what they were meant to be: off-resonance, gradient delays, phases."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.linops import Diagonal, NonuniformFourier
from jaxrecon.mri import NonuniformSense, off_resonance, trajectories
from jaxrecon.mri.operators import exact_signal
from jaxrecon.solvers import conjugate_gradient
from tests.laws.cases import quick_jit
from tests.mri import coil_cases
from tests.mri.scans import coil_array, drawn, measured, relative_error, thorax

N, COILS = 32, 4
SHAPE = (N, N)


@quick_jit
def cg(operator, data):
    x0 = jnp.zeros(operator.domain.shape, operator.domain.dtype)
    return solve(conjugate_gradient(operator, data), x0, 12)[0]


def sense(maps, positions):
    fourier = NonuniformFourier(positions, SHAPE, accuracy=1e-3, planned=False)
    return NonuniformSense(jnp.asarray(maps, jnp.complex64), fourier)


def field(y, x):
    """Hz, as beside a sinus: 110 at its height, on a slope that a shim left."""
    return 110 * np.exp(-((y + 0.35) ** 2 + (x - 0.1) ** 2) / 0.3) - 20 * x


def readout(kind):
    """24 ms, as four spiral interleaves or a single echo train."""
    if kind == "spiral":
        return trajectories.spiral(4, 400, N / 8), np.linspace(0, 24e-3, 400)
    found = trajectories.echo_planar(N, N, echo_spacing=0.75e-3, echo_time=30e-3)
    return found.positions, np.asarray(found.times)


@pytest.mark.parametrize("kind", ["spiral", "echo-planar"])
def test_a_field_map_takes_off_what_off_resonance_did(kind):
    positions, times = readout(kind)
    fine = coil_cases.maps(SHAPE, COILS, 2) * coil_cases.body(SHAPE, 2)
    fine = jnp.asarray(fine, jnp.complex64)  # of twice the resolution: not what is solved for

    @quick_jit
    def signal(field):
        return jax.vmap(lambda f: exact_signal(f, positions / 2, times, field))(fine) / 2

    there = jnp.asarray(field(*coil_cases.positions(SHAPE, 2)), jnp.float32)
    data, undisturbed = signal(there), signal(0 * there)
    plain = sense(coil_cases.maps(SHAPE, COILS), positions)
    known = field(*coil_cases.positions(SHAPE))
    corrected = off_resonance(plain, known, times, tolerance=1e-3)

    truth = coil_cases.body(SHAPE)
    ignored = relative_error(cg(plain, data), truth)
    found = relative_error(cg(corrected, data), truth)
    best = relative_error(cg(plain, undisturbed), truth)
    assert found < 0.25 * ignored
    assert found < 1.5 * best  # the field compresses parts of an echo-planar image


SPOKES, SAMPLES = 40, 2 * N
ANGLES = 2 * trajectories.uniform_angles(SPOKES)  # both directions, so that delays tell


def radial_error(operator, data):
    return relative_error(cg(operator, data), drawn(thorax(), N))


def test_known_and_estimated_delays_of_the_gradients():
    delays = np.array([0.9, -1.4])  # samples, (y, x)
    nominal = trajectories.radial(ANGLES, SAMPLES)
    along = np.stack([np.sin(ANGLES), np.cos(ANGLES)], -1)
    played = nominal - jnp.asarray((delays * along / SAMPLES)[:, None], jnp.float32)
    maps = coil_array(N, COILS)[1]
    data = measured(thorax(), played, N, COILS)
    estimate = trajectories.estimate_delays(data, nominal, pairs=200)
    ignored, known, estimated = (
        radial_error(sense(maps, k), data)
        for k in (
            nominal,
            trajectories.delayed(nominal, delays),
            trajectories.delayed(nominal, estimate),
        )
    )
    assert known < 0.5 * ignored
    assert estimated < 1.1 * known


def test_phases_of_the_readouts_are_undone():
    positions = trajectories.radial(ANGLES, SAMPLES)
    maps = coil_array(N, COILS)[1]
    data = measured(thorax(), positions, N, COILS)
    random = np.random.default_rng(0)
    phase, shift = random.uniform(-1, 1, (SPOKES, 1)), np.array([2.5, -4.0])
    turned = data * np.exp(1j * phase - 2j * np.pi * (np.asarray(positions) @ shift))
    turned = turned.astype(jnp.complex64)
    plain = sense(maps, positions)
    offset = trajectories.phase_offset(positions, shift, phase)
    undone = Diagonal(offset, plain.codomain.shape) @ plain
    ignored, known, best = (
        radial_error(operator, y)
        for operator, y in ((plain, turned), (undone, turned), (plain, data))
    )
    assert known < 0.5 * ignored
    assert known < 1.001 * best


def test_phase_offsets_have_derivatives():
    with jax.enable_x64():
        random = np.random.default_rng(1)
        k = random.uniform(-0.5, 0.5, (5, 7, 2))
        at = tuple(map(jnp.asarray, (k, np.array([1.5, -3.0]), random.normal(size=(5, 1)))))
        along = tuple(jnp.asarray(random.normal(size=a.shape)) for a in at)
        _, slope = jax.jvp(trajectories.phase_offset, at, along)
        h = 1e-6
        up, down = (
            trajectories.phase_offset(*(a + s * d for a, d in zip(at, along, strict=True)))
            for s in (h, -h)
        )
        np.testing.assert_allclose(slope, (up - down) / (2 * h), atol=1e-7)
        with pytest.raises(TypeError, match="phase_offset expected a real positions"):
            trajectories.phase_offset(1j * k)
