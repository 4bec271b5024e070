"""Robust data terms, norms, sets and combinators beyond the laws: closed forms and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from jaxrecon import Functional, solve, tight
from jaxrecon.functionals import (
    L0,
    L1,
    Affine,
    Bandlimited,
    Box,
    ElasticNet,
    HalfSpace,
    Huber,
    KullbackLeibler,
    L0Ball,
    L1Ball,
    L2Ball,
    LeastSquares,
    LInfinity,
    LInfinityBall,
    LogCosh,
    MoreauEnvelope,
    SquaredL2,
    TransmissionPoisson,
    UnknownVariance,
    WaveletL1,
    perturbed,
    rescaled,
    soft_threshold,
)
from jaxrecon.linops import FiniteDifference, Matrix, Wavelet
from jaxrecon.solvers import fista, ordered_subsets, primal_dual_hybrid_gradient
from tests.laws.cases import quick_jit
from tests.solvers.problems import draw


def _matrix(rows: int = 8, columns: int = 5, dtype=np.float64) -> np.ndarray:
    return draw(0, (rows, columns), dtype)


def test_log_cosh_is_exact_for_tiny_and_finite_for_huge_values() -> None:
    with jax.enable_x64(True):
        x = np.array([0.0, 1e-9, -1e-3, 0.9999, 1.0001, -30.0])
        expected = 0.5 * np.sum(np.log1p(2 * np.sinh(x) ** 2))  # cosh 2x = 1 + 2 sinh^2 x
        np.testing.assert_allclose(LogCosh(0.5)(x), expected, rtol=1e-14)
        np.testing.assert_allclose(LogCosh(0.5)(np.array([1e-9])), 1e-18, rtol=1e-14)
        np.testing.assert_allclose(LogCosh(1.0)(np.array([1e6])), 1e6 - np.log(2), rtol=1e-15)


@pytest.mark.parametrize("step", [1e-3, 1.0, 30.0, 1e4, 1e7])
def test_prox_of_log_cosh_solves_its_equation_to_rounding(step) -> None:
    with jax.enable_x64(True):
        v = np.concatenate([[0.0, 1e-6], step * np.array([0.3, 0.9, 0.999, 1.0, 1.001, 1.2, 3.0])])
        got = LogCosh(1.0).prox(jnp.asarray(v), step)

        def root(a):
            def excess(t):
                return t + step * np.tanh(t) - a

            return scipy.optimize.brentq(excess, 0, a, xtol=1e-300, rtol=1e-15) if a else 0.0

        np.testing.assert_allclose(got, [root(a) for a in v], rtol=1e-8)
        back = got + step * np.tanh(got)  # the root is only as well defined as a = v is
        np.testing.assert_allclose(back, v, rtol=1e-15)  # five roundings


@pytest.mark.parametrize("norm", [L1(), Huber(0.3), LogCosh(0.3)], ids=lambda f: type(f).__name__)
def test_robust_fidelities_are_translated_norms_of_an_operator(norm) -> None:
    with jax.enable_x64(True):
        a, m, x = _matrix(), draw(1, (8,), np.float64), draw(2, (5,), np.float64)
        f = 2.0 * (norm.translate(m) @ Matrix(a))
        np.testing.assert_allclose(f(x), 2 * norm(a @ x - m), rtol=1e-12)
        g, operator = f.split()
        np.testing.assert_allclose(g(operator(x)), f(x), rtol=1e-12)


def test_l1_fidelity_of_one_unknown_gives_the_median() -> None:
    with jax.enable_x64(True):
        m = np.array([0.1, 7.0, 0.5, 0.3, -40.0])
        f = L1().translate(m) @ Matrix(jnp.ones((5, 1)))
        method = primal_dual_hybrid_gradient(0.0 * SquaredL2(), *f.split())
        x, _ = quick_jit(lambda method: solve(method, jnp.zeros(1), 400))(method)
        np.testing.assert_allclose(x, [0.3], atol=1e-9)


def test_huber_fidelity_runs_in_ordered_subsets() -> None:
    with jax.enable_x64(True):
        a = np.abs(_matrix())
        f = Huber(0.5).translate(draw(1, (8,), np.float64)) @ Matrix(a)
        x0 = jnp.zeros(5)
        x, _ = quick_jit(lambda f: solve(ordered_subsets(f, curvature=1 / 0.5), x0, 3000))(f)
        assert np.linalg.norm(f.grad(x)) < 1e-8 * np.linalg.norm(f.grad(x0))


def test_unknown_variance_is_the_profile_likelihood_and_its_majoriser_lies_above() -> None:
    with jax.enable_x64(True):
        a, m = _matrix(dtype=np.complex128), draw(1, (8,), np.complex128)
        f = UnknownVariance(Matrix(a), m)
        x, z = draw(2, (5,), np.complex128), draw(3, (5,), np.complex128)

        def likelihood(x):
            residual = (a @ x - m).view(float)
            deviation = np.sqrt(np.mean(residual**2))  # its maximum likelihood estimate
            return -np.sum(scipy.stats.norm.logpdf(residual, scale=deviation))

        np.testing.assert_allclose(f(x) - f(z), likelihood(x) - likelihood(z), rtol=1e-12)
        g = f.majoriser(x)
        np.testing.assert_allclose(g.grad(x), f.grad(x), rtol=1e-12)
        for scale in (0.01, 0.3, 1.0):
            w = x + scale * (z - x)
            assert f(w) <= f(x) + g(w) - g(x) + 1e-12
        assert f.split()[0](a @ x) == pytest.approx(float(f(x)))


def test_l0_counts_thresholds_and_keeps_the_largest() -> None:
    x = jnp.asarray([3.0, -1.0, 0.0, 1.0, 0.5, -3.0])
    assert L0()(x) == 5
    np.testing.assert_array_equal(L0().prox(x, 0.5), [3, 0, 0, 0, 0, -3])  # sqrt(2 s) = 1
    np.testing.assert_array_equal(L0Ball(3).prox(x, 1.0), [3, -1, 0, 0, 0, -3])
    np.testing.assert_array_equal(L0Ball(0).prox(x, 1.0), 0)
    np.testing.assert_array_equal(L0Ball(9).prox(x, 1.0), x)
    assert L0Ball(5)(x) == 0
    assert L0Ball(4)(x) == np.inf
    pair = L0Ball(2).prox((x[:2], 1j * x[2:].reshape(2, 2)), 1.0)
    np.testing.assert_array_equal(pair[0], [3, 0])
    np.testing.assert_array_equal(pair[1], [[0, 0], [0, -3j]])


def test_a_count_that_changes_does_not_recompile() -> None:
    traces = []

    @quick_jit
    def kept(count, x):
        traces.append(1)
        return L0()(L0Ball(count).prox(x, 1.0))

    x = jnp.asarray(draw(0, (10,), np.float32))
    assert [int(kept(k, x)) for k in (0, 3, 10)] == [0, 3, 10]
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("ball", "order"), [(L1Ball, 1), (L2Ball, 2), (LInfinityBall, np.inf)], ids=lambda a: str(a)
)
def test_projections_onto_balls(ball, order) -> None:
    c, v = draw(1, (2, 300), np.complex64)
    radius = 0.25 * float(np.linalg.norm(v - c, order))
    f = ball(radius, jnp.asarray(c))
    p = f.prox(jnp.asarray(v), 1.0)
    np.testing.assert_allclose(np.linalg.norm(p - c, order), radius, rtol=1e-5)
    assert f(p) == 0
    assert f(v) == np.inf
    inside = c + 0.2 * (v - c)
    np.testing.assert_allclose(f.prox(inside, 1.0), inside, atol=1e-6)
    np.testing.assert_allclose(ball(0.0, c).prox(v, 1.0), c, atol=1e-6)
    halves = ball(radius).prox((v[:100], v[100:]), 1.0)  # one norm over all leaves
    np.testing.assert_allclose(np.concatenate(halves), ball(radius).prox(v, 1.0), rtol=1e-5)


def test_derivative_of_projections_is_the_identity_at_the_centre() -> None:
    for f in (L1Ball(1.0), L2Ball(1.0), LInfinityBall(1.0), MoreauEnvelope(L1Ball(1.0), 0.1)):
        slope = quick_jit(jax.jacobian(lambda v, f=f: f.prox(v, 1.0)))(jnp.zeros(3))
        np.testing.assert_allclose(slope, np.eye(3), atol=1e-6)


def test_prox_of_l_infinity_cuts_the_largest_off() -> None:
    v = jnp.asarray([4.0, -3.0, 1.0])
    np.testing.assert_allclose(LInfinity().prox(v, 0.5), [3.5, -3, 1], rtol=1e-6)
    np.testing.assert_allclose(LInfinity().prox(v, 3.0), [2, -2, 1], rtol=1e-6)
    np.testing.assert_allclose(LInfinity().prox(v, 100.0), 0, atol=1e-5)


def test_band_limit_of_images() -> None:
    """Against NumPy's FFT; of a real image only frequencies with both signs remain."""
    support = np.zeros((6, 5), bool)
    support[1:4, 1:3] = True
    z = draw(1, (6, 5), np.complex64)

    def spectrum(x):
        return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x)))

    p = Bandlimited(support).prox(jnp.asarray(z), 1.0)
    np.testing.assert_allclose(spectrum(p), support * spectrum(z), atol=1e-4)
    p = Bandlimited(support).prox(jnp.asarray(z.real), 1.0)
    both = np.zeros_like(support)
    both[3, 2] = True  # frequency 0, the only one that has its mirror image
    np.testing.assert_allclose(spectrum(p), both * spectrum(z.real), atol=1e-4)
    columns = Bandlimited(support[0], axes=(1,)).prox(jnp.asarray(z), 1.0)
    np.testing.assert_allclose(columns, 0, atol=1e-6)


def test_half_space_moves_a_sum_down_to_its_bound() -> None:
    v = jnp.asarray([1.0, 2.0, 6.0])
    np.testing.assert_allclose(HalfSpace(jnp.ones(3), 6.0).prox(v, 1.0), [0, 1, 5], atol=1e-6)
    np.testing.assert_allclose(HalfSpace(jnp.ones(3), 10.0).prox(v, 1.0), v)
    assert HalfSpace(jnp.ones(3), 8.9)(v) == np.inf
    assert HalfSpace(jnp.ones(3), 9.0)(v) == 0


def test_elastic_net_shrinks_what_the_soft_threshold_leaves() -> None:
    v = jnp.asarray([3.0, -0.5, -2.0])
    np.testing.assert_allclose(ElasticNet(1.0, 0.5).prox(v, 2.0), [0.5, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(ElasticNet(2.0, 3.0)(v), 2 * 5.5 + 1.5 * 13.25, rtol=1e-6)
    np.testing.assert_allclose(ElasticNet(1.0, 3.0).conjugate(v), (2**2 + 1) / 6, rtol=1e-6)


def test_moreau_envelopes_that_are_known() -> None:
    """Of l1 the Huber function; of a box half the squared distance, over mu."""
    x = jnp.asarray(draw(1, (7,), np.complex64))
    envelope, huber = MoreauEnvelope(L1(), 0.8), Huber(0.8)
    np.testing.assert_allclose(envelope(x), huber(x), rtol=1e-5)
    np.testing.assert_allclose(envelope.grad(x), huber.grad(x), rtol=1e-5)
    np.testing.assert_allclose(envelope.prox(x, 0.3), huber.prox(x, 0.3), rtol=1e-5)
    y = 0.5 * x / jnp.max(jnp.abs(x))
    np.testing.assert_allclose(envelope.conjugate(y), huber.conjugate(y), rtol=1e-5)
    np.testing.assert_allclose(envelope.lipschitz(), huber.lipschitz())
    box = MoreauEnvelope(Box(0.0, 1.0), 0.5)
    np.testing.assert_allclose(box(jnp.asarray([2.0, 0.5, -3.0])), (1 + 9) / (2 * 0.5))


class Lagging(Functional):
    """A prox that adds its start to the soft threshold, and starts next from the threshold."""

    def prox_start(self, v):
        return jnp.full_like(v, 10.0)

    def prox_from(self, v, step, start):
        moved = soft_threshold(v, step)
        return moved + start, moved


def test_the_start_of_an_iterating_prox_goes_through_combinators() -> None:
    v, a = jnp.asarray(draw(1, (2, 4), np.float32))
    w, f, s = Wavelet((4,), "haar", 1), Lagging(), 0.2
    t = s / (1 + 0.5 * s)
    cases = [  # each with where its functional takes the prox, the step, and the way back
        (rescaled(f, 2.0), 2 * v, 4 * s, lambda p: p / 2),
        (perturbed(f, slope=a, curvature=0.5), t / s * (v - s * a), t, lambda p: p),
        (MoreauEnvelope(f, 0.3), v, s + 0.3, lambda p: v + s / (s + 0.3) * (p - v)),
        (tight(f, w), w(v), s, w.adjoint),
    ]
    for combined, point, step, back in cases:
        start = combined.prox_start(v)
        for expected in (10.0, soft_threshold(point, step)):
            got, start = combined.prox_from(v, s, start)
            p = soft_threshold(point, step)
            np.testing.assert_allclose(got, back(p + expected), rtol=1e-5, atol=1e-5)


def test_prox_of_a_quadratic_solves_its_equation_and_has_its_derivatives() -> None:
    with jax.enable_x64(True):
        operator = FiniteDifference((3, 4), dtype=jnp.float64)
        basis = np.eye(12).reshape(12, 3, 4)
        dense = np.stack([np.ravel(operator(jnp.asarray(e))) for e in basis], 1)
        m, v = draw(1, (12,), np.float64), draw(2, (3, 4), np.float64)
        data = LeastSquares(None, jnp.asarray(m.reshape(3, 4)))

        def total(weight):
            return data + weight * (SquaredL2() @ operator)

        def expected(weight, step):
            system = (1 + 1 / step) * np.eye(12) + weight * dense.T @ dense
            return np.linalg.solve(system, m + v.ravel() / step)

        def prox(weight, step):
            return total(weight).prox(v, step).ravel()

        got = quick_jit(prox)(2.0, 0.7)
        np.testing.assert_allclose(got, expected(2.0, 0.7), rtol=1e-11, atol=1e-12)
        slopes = quick_jit(jax.jacobian(prox, (0, 1)))(2.0, 0.7)
        h = 1e-5
        by_weight = (expected(2 + h, 0.7) - expected(2 - h, 0.7)) / (2 * h)
        by_step = (expected(2, 0.7 + h) - expected(2, 0.7 - h)) / (2 * h)
        np.testing.assert_allclose(slopes[0], by_weight, atol=1e-8)
        np.testing.assert_allclose(slopes[1], by_step, atol=1e-8)


def test_wavelet_l1_leaves_the_approximation_alone() -> None:
    f = WaveletL1((8, 8), "haar", 2)
    constant = jnp.full((8, 8), 3.0)
    assert abs(float(f(constant))) < 1e-4
    np.testing.assert_allclose(f.prox(constant, 10.0), constant, rtol=1e-5)
    held = WaveletL1((8, 8), "haar", 2, approximation=1.0)
    np.testing.assert_allclose(held(constant), 4 * 3.0 * 4, rtol=1e-5)  # four coefficients of 12
    plain = L1() @ held.wavelet()
    x = jnp.asarray(draw(1, (8, 8), np.float32))
    np.testing.assert_allclose(held(x), plain(x), rtol=1e-5)


def test_analysis_and_synthesis_with_an_orthonormal_wavelet_agree() -> None:
    with jax.enable_x64(True):
        operator = Matrix(jnp.asarray(_matrix(12, 16) / 4))
        m, f = jnp.asarray(draw(1, (12,), np.float64)), WaveletL1((16,), "db2", 2)
        g, wavelet = f.split(jnp.float64)
        analysis = fista(LeastSquares(operator, m), 0.1 * f, restart=True)
        synthesis = fista(LeastSquares(operator @ wavelet.H, m), 0.1 * g, restart=True)
        run = quick_jit(lambda method: solve(method, jnp.zeros(16), 2000)[0])
        x = run(analysis)
        np.testing.assert_allclose(wavelet.H(run(synthesis)), x, atol=1e-9)
        assert np.sum(np.abs(wavelet(x)) < 1e-9) >= 3  # and it is sparse


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LogCosh(0.0), ValueError, "delta > 0"),
        (lambda: L1().translate(np.array([1.0, np.nan])), ValueError, "NaN"),
        (lambda: UnknownVariance(None, np.array([np.nan])), ValueError, "NaN"),
        (lambda: LeastSquares(None, np.array([np.nan])), ValueError, "NaN"),
        (lambda: KullbackLeibler(None, np.array([np.nan])), ValueError, "NaN"),
        (lambda: TransmissionPoisson(None, np.array([np.nan]), 1.0), ValueError, "NaN"),
        (lambda: Affine(Matrix(jnp.ones((1, 2))), jnp.asarray([jnp.nan])), ValueError, "NaN"),
        (lambda: UnknownVariance(Matrix(jnp.ones((2, 3))), jnp.ones(3)), ValueError, "data"),
        (lambda: L0Ball(-1), ValueError, "whole number"),
        (lambda: L0Ball(1.5), ValueError, "whole number"),
        (lambda: L1Ball(-1.0), ValueError, "empty"),
        (lambda: L2Ball(-1e-9), ValueError, "empty"),
        (lambda: L2Ball(np.nan), ValueError, "NaN"),
        (lambda: L2Ball(1j), TypeError, "real radius"),
        (lambda: L2Ball(1.0, jnp.asarray([jnp.nan])), ValueError, "NaN in|got NaN"),
        (lambda: LInfinityBall(jnp.asarray([1.0, -1.0])), ValueError, "empty"),
        (lambda: HalfSpace(jnp.zeros(3), 1.0), ValueError, "not 0"),
        (lambda: HalfSpace(jnp.ones(3), jnp.nan), ValueError, "NaN"),
        (lambda: Bandlimited(jnp.ones(4)), TypeError, "boolean"),
        (lambda: Bandlimited(jnp.ones(4, bool))(jnp.ones(3)), ValueError, "broadcast"),
        (lambda: ElasticNet(-1.0, 1.0), ValueError, "l1 >= 0"),
        (lambda: ElasticNet(1.0, 0.0), ValueError, "squared_l2 > 0"),
        (lambda: MoreauEnvelope(L1(), 0.0), ValueError, "parameter > 0"),
        (lambda: perturbed(L1(), curvature=0.0), ValueError, "curvature > 0"),
        (lambda: perturbed(L1(), slope=jnp.asarray([jnp.nan])), ValueError, "NaN"),
        (lambda: rescaled(L1(), 0.0), ValueError, "not 0"),
        (lambda: rescaled(L1(), 1j), TypeError, "real factor"),
        (lambda: WaveletL1((6, 6), levels=2), ValueError, "multiples"),
        (lambda: WaveletL1((8, 8), approximation=-1.0), ValueError, "approximation >= 0"),
        (lambda: WaveletL1((8, 8))(jnp.ones((4, 8))), ValueError, r"float32\[8,8\]"),
        (lambda: (L1() @ Matrix(jnp.ones((2, 3)))).prox(jnp.ones(3), 1.0), NotImplementedError,
         "primal_dual_hybrid_gradient"),
        (lambda: (2.0 * L1()).split(), TypeError, "no split"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_weight_of_zero_is_the_functional_zero() -> None:
    """Its conjugate is the indicator of {0}; so the dual of a path of weights may begin at 0."""
    v = jnp.asarray([3.0, -4.0])
    for weight in (0.0, jnp.zeros(())):
        none = weight * L1()
        assert none(v) == 0
        np.testing.assert_array_equal(none.prox(v, 2.0), v)
        np.testing.assert_array_equal(none.conj_prox(v, 2.0), 0 * v)
        assert none.conjugate(0 * v) == 0
        assert none.conjugate(v) == jnp.inf
