"""Evaluation: intervals and tests against SciPy, null spaces against the SVD, sweeps, reports."""

import csv
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxrecon import train
from jaxrecon.linops import Matrix

RANDOM = np.random.default_rng(5)
SKEWED = RANDOM.exponential(size=60)
KEY = jax.random.key(2)


def test_the_normal_interval_is_that_of_scipy():
    interval = train.confidence_interval(SKEWED, 0.9)
    expected = stats.norm.interval(0.9, SKEWED.mean(), stats.sem(SKEWED))
    np.testing.assert_allclose(interval[1:], expected, rtol=1e-12)
    assert interval.mean == SKEWED.mean()


def test_the_bootstrap_interval_is_that_of_numpy_but_for_the_draws():
    interval = train.confidence_interval(SKEWED, 0.9, key=KEY, resamples=20_000)
    means = np.random.default_rng(0).choice(SKEWED, (20_000, 60)).mean(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    # of a quantile of n draws of a normal variable: sqrt(0.05 0.95 / n) / density
    deviation = np.sqrt(0.05 * 0.95 / 20_000) / stats.norm.pdf(1.645) * means.std()
    np.testing.assert_allclose(interval[1:], (low, high), atol=5 * np.sqrt(2) * deviation)


def test_bootstrap_intervals_cover_as_often_as_they_say():
    samples = RANDOM.standard_normal((400, 50))
    covered = 0
    for k, sample in enumerate(samples):
        interval = train.confidence_interval(
            sample, 0.8, key=jax.random.fold_in(KEY, k), resamples=300
        )
        covered += interval.low <= 0 <= interval.high
    assert abs(covered / 400 - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 400)


def test_paired_is_the_sign_flip_test_of_scipy():
    first = RANDOM.standard_normal(12)
    second = first + np.linspace(-0.1, 0.2, 12) ** 2 - 0.005
    result = train.paired(first, second, KEY, resamples=20_000)
    exact = stats.permutation_test(
        (first, second), lambda a, b: np.mean(a - b), permutation_type="samples", vectorized=False
    )
    assert 0.01 < exact.pvalue < 0.9
    deviation = np.sqrt(exact.pvalue * (1 - exact.pvalue) / 20_000)
    assert abs(result.p_value - exact.pvalue) < 5 * deviation
    assert result.difference.mean == pytest.approx(np.mean(first - second))
    assert result.fraction == np.mean(first > second)
    assert train.paired(first, first - 1, KEY, resamples=99).p_value == 0.01
    with pytest.raises(ValueError, match="same images, got 12 and 3"):
        train.paired(first, first[:3], KEY)
    with pytest.raises(ValueError, match="two or more images"):
        train.confidence_interval([1.0])


def test_components_are_the_projections_of_the_svd():
    matrix = RANDOM.standard_normal((5, 9))
    operator = Matrix(jnp.asarray(matrix, jnp.float32), domain_shape=(3, 3))
    x, truth = RANDOM.standard_normal((2, 4, 3, 3))
    m = truth.reshape(4, 9) @ matrix.T
    project = np.linalg.pinv(matrix) @ matrix
    result = train.check_consistency(
        operator, *(jnp.asarray(a, jnp.float32) for a in (x, truth, m)), iterations=30
    )
    error = (x - truth).reshape(4, 9)
    seen = error @ project.T
    np.testing.assert_allclose(result.error.range.reshape(4, 9), seen, atol=2e-5)
    np.testing.assert_allclose(result.error.null.reshape(4, 9), error - seen, atol=2e-5)
    np.testing.assert_allclose(result.range_error, np.mean(seen**2, axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        result.range_error + result.null_error, np.mean(error**2, axis=1), rtol=1e-4
    )
    residual = np.linalg.norm(error @ matrix.T, axis=1) / np.linalg.norm(m, axis=1)
    np.testing.assert_allclose(result.residual, residual, rtol=1e-4)
    own = x.reshape(4, 9) @ (np.eye(9) - project)
    share = np.sum(own**2, axis=1) / np.sum(x**2, axis=(1, 2))
    np.testing.assert_allclose(result.null_share, share, rtol=1e-4)
    nothing = train.check_consistency(operator, 0 * jnp.asarray(x), 0 * jnp.asarray(x), 0 * m)
    for part in (nothing.residual, nothing.range_error, nothing.null_error, nothing.null_share):
        np.testing.assert_array_equal(part, np.zeros(4))
    with pytest.raises(ValueError, match="images like the truth"):
        train.check_consistency(operator, x[:2], truth, m)


TRUTH = jnp.asarray(RANDOM.random((6, 8, 8)), jnp.float32)
NOISE = jax.random.normal(KEY, TRUTH.shape)


def keep(m):
    return m


def shrink(m, factor):
    return factor * m


def at(sigma):
    m = TRUTH + sigma * NOISE
    return {"keep": (m,), "shrink": (m, jnp.float32(0.5))}, TRUTH


def test_a_sweep_is_an_evaluation_at_each_value():
    result = train.sweep({"keep": keep, "shrink": shrink}, at, [0.1, 0.2], 1.0)
    expected = [-10 * np.log10(np.mean((s * NOISE) ** 2, axis=(1, 2))).mean() for s in (0.1, 0.2)]
    np.testing.assert_allclose(result.means()["keep"], expected, rtol=1e-4)
    error = result.means("squared_error")["shrink"]
    expected = jnp.mean((0.5 * (TRUTH + 0.1 * NOISE) - TRUTH) ** 2)
    assert error[0] == pytest.approx(float(expected), rel=1e-4)
    interval = result.intervals(level=0.9)["keep"]
    psnr = -10 * np.log10(np.mean((0.2 * NOISE) ** 2, axis=(1, 2)))
    exact = stats.norm.interval(0.9, psnr.mean(), stats.sem(psnr))
    np.testing.assert_allclose([interval.low[1], interval.high[1]], exact, rtol=1e-4)
    np.testing.assert_allclose(interval.mean, result.means()["keep"], rtol=1e-6)
    with pytest.raises(ValueError, match=r"no arguments for \['other'\]"):
        train.sweep({"other": keep}, at, [0.1], 1.0)


def test_a_sweep_over_images_takes_the_range_of_each():
    def scaled(factor):
        return {"keep": (factor * (TRUTH + 0.1 * NOISE),)}, factor * TRUTH

    spans = []

    def span(truth):
        spans.append(float(jnp.max(truth)))
        return truth.max(axis=(1, 2))

    found = train.sweep({"keep": keep}, scaled, [1.0, 8.0], span).means()["keep"]
    assert spans[1] == 8 * spans[0]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_one_report_has_the_table_and_the_figures(tmp_path):
    arguments, truth = at(0.1)
    methods = {"keep": (keep, arguments["keep"]), "shrink": (shrink, arguments["shrink"])}
    swept = train.sweep({"keep": keep, "shrink": shrink}, at, [0.1, 0.2], 1.0)
    other = train.Sweep(("brains", "knees"), swept.evaluations)
    sweeps = {"noise level": swept, "kind": other}
    operator = Matrix(jnp.eye(64)[:40], domain_shape=(8, 8))
    data = jax.vmap(operator)(truth)
    checked = {"keep": train.check_consistency(operator, *arguments["keep"], truth, data)}
    rows = train.report(
        tmp_path / "r", methods, truth, 1.0, sweeps=sweeps, consistency=checked, level=0.9
    )
    files = {p.name for p in (tmp_path / "r").iterdir()}
    assert files == {
        "report.md", "report.csv", "report.json", "report.png",
        "sweeps.png", "consistency.png",
    }  # fmt: skip
    saved = json.loads((tmp_path / "r" / "report.json").read_text())
    assert saved["methods"] == rows
    assert saved["about"]["data_range"] == [1.0]
    line = saved["psnr over"]["noise level"]["keep"]
    np.testing.assert_allclose(line["mean"], swept.means()["keep"], rtol=1e-6)
    assert line["low"] < line["mean"] < line["high"]
    error = saved["consistency"]["keep"]["range_error"]
    seen = float(jnp.mean((0.1 * NOISE).reshape(6, 64)[:, :40] ** 2)) * 40 / 64
    assert error["mean"] == pytest.approx(seen, rel=1e-4)
    assert error["low"] < error["mean"] < error["high"]
    with open(tmp_path / "r" / "report.csv") as file:
        table = {row["method"]: row for row in csv.DictReader(file)}
    psnr = -10 * np.log10(np.mean((0.1 * NOISE) ** 2, axis=(1, 2)))
    assert float(table["keep"]["psnr"]) == pytest.approx(psnr.mean(), rel=1e-4)
    assert rows["keep"]["psnr_low"] < rows["keep"]["psnr"] < rows["keep"]["psnr_high"]
    assert rows["shrink"]["psnr_difference"] == pytest.approx(
        rows["shrink"]["psnr"] - rows["keep"]["psnr"], rel=1e-6
    )
    text = (tmp_path / "r" / "report.md").read_text()
    assert "6 test images, data range 1, 90 % bootstrap" in text
    assert f"| keep | {rows['keep']['psnr']:.2f} (" in text
    assert "PSNR in dB over noise level" in text
    assert f"| keep | {line['mean'][0]:.2f} ± " in text
    assert "null-space error" in text
    with pytest.raises(ValueError, match="is none of"):
        train.report(tmp_path, methods, truth, 1.0, reference="best")


def test_what_is_infinite_or_nan_in_an_interval():
    perfect = SKEWED.copy()
    perfect[3] = np.inf
    for key in (None, KEY):
        assert train.confidence_interval(perfect, key=key) == (np.inf,) * 3
        assert train.confidence_interval(-perfect, key=key) == (-np.inf,) * 3
        both = train.confidence_interval([np.inf, -np.inf, 1.0], key=key)
        assert np.all(np.isnan(both))
    missing = SKEWED.copy()
    missing[[4, 7]] = np.nan
    with pytest.raises(ValueError, match=r"got NaN for 2 of 60, those with the numbers 4, 7\."):
        train.confidence_interval(missing)
    with pytest.raises(ValueError, match=r"paired expected a number .* numbers 4, 7\."):
        train.paired(SKEWED, missing, KEY)


@pytest.mark.parametrize(
    ("first", "second", "mean"),
    [
        ([np.inf, 1.0, 2.0, 3.0], [np.inf, 1.5, 2.6, 3.7], -0.45),  # a tie
        ([np.inf, 1.0, 2.0, 3.0], [0.0, 1.5, 2.6, 3.7], np.inf),
        ([np.inf, 0.0, 2.0, 3.0, 9.0], [0.0, np.inf, 2.6, 3.7, 5.0], np.nan),
        ([np.inf, np.inf, 2.0, -np.inf], [0.0, 1.0, 2.6, 3.7], np.nan),
    ],
)
def test_an_infinite_difference_is_the_limit_of_large_ones(first, second, mean):
    result = train.paired(first, second, KEY)
    large = train.paired(np.clip(first, -1e6, 1e6), np.clip(second, -1e6, 1e6), KEY)
    assert result.p_value == large.p_value
    assert result.fraction == large.fraction
    assert result.difference.mean == pytest.approx(mean, nan_ok=True)


def not_json(name):
    raise AssertionError(f"{name} is not JSON")


def read_strictly(path):
    return json.loads(path.read_text(), parse_constant=not_json)


def exact_once(m, truth):
    return m.at[1].set(truth[1])


def test_a_report_of_a_perfect_image_is_json(tmp_path):
    arguments, truth = at(0.1)
    methods = {
        "keep": (keep, arguments["keep"]),
        "exact": (exact_once, (*arguments["keep"], truth)),
    }
    swept = train.sweep(
        {"exact": exact_once}, lambda _: ({"exact": methods["exact"][1]}, truth), [1, 2], 1.0
    )
    rows = train.report(tmp_path, methods, truth, 1.0, sweeps={"nothing": swept})
    assert rows["exact"]["psnr"] == rows["exact"]["psnr_low"] == np.inf
    assert 0.01 < rows["exact"]["p_value"] <= 1
    saved = read_strictly(tmp_path / "report.json")
    assert saved["methods"]["exact"]["psnr"] is None
    assert saved["methods"]["exact"]["risk"] == rows["exact"]["risk"]
    assert saved["psnr over"]["nothing"]["exact"]["mean"] == [None, None]
    text = (tmp_path / "report.md").read_text()
    assert "| exact | inf | " in text
    assert "nan" not in text
    summary = train.evaluate(*methods["exact"], truth, 1.0).summary()
    assert summary["psnr_mean"] is summary["psnr_deviation"] is None


def test_a_single_image_has_a_risk_and_no_standard_error():
    arguments, truth = at(0.1)
    result = train.evaluate(keep, (arguments["keep"][0][:1],), truth[:1], 1.0)
    assert np.isnan(result.risk_error)
    assert result.summary()["risk_standard_error"] is None
    assert result.summary()["risk"] > 0


GOOD = {"keep": (keep, (TRUTH + 0.1 * NOISE,))}
BROKEN = {"broken": (keep, ((TRUTH + 0.1 * NOISE).at[2, 3, 4].set(jnp.nan),))}
EMPTY = train.Sweep((), {"keep": []})
ALONE = train.check_consistency(
    Matrix(jnp.eye(64), domain_shape=(8, 8)), TRUTH[:1], TRUTH[:1], TRUTH[:1].reshape(1, 64)
)


@pytest.mark.parametrize(
    ("methods", "options", "error", "message"),
    [
        ({}, {}, ValueError, "one or more methods"),
        (GOOD | {"bare": keep}, {}, TypeError, "for 'bare', got function"),
        (GOOD | {"bare": (keep, TRUTH)}, {}, TypeError, r"for 'bare'.*\(measurements,\)"),
        (GOOD, {"shown": 99}, ValueError, "below 6, got 99"),
        (GOOD, {"truth": TRUTH[:1]}, ValueError, "two or more images"),
        (GOOD, {"sweeps": {"noise": EMPTY}}, ValueError, "sweep over 'noise' has no values"),
        (GOOD, {"consistency": {"keep": ALONE}}, ValueError, "residual of 'keep' .*two or more"),
        (GOOD | BROKEN, {}, ValueError, r"psnr of 'broken' expected .* numbers 2\."),
    ],
)
def test_a_report_checks_before_it_writes(tmp_path, methods, options, error, message):
    options = {"truth": TRUTH, "data_range": 1.0} | options
    with pytest.raises(error, match=message):
        train.report(tmp_path, methods, **options)
    assert not list(tmp_path.iterdir())


def test_a_report_is_of_one_test_set(tmp_path):
    other = train.evaluate(keep, (TRUTH[:3] + 1,), TRUTH[:3], 1.0)
    with pytest.raises(ValueError, match=r"'other' to be of the images of the truth, \(6, 8, 8\)"):
        train.report(tmp_path, {"other": other}, TRUTH, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: train.evaluate(keep, TRUTH, TRUTH, 1.0), TypeError, r"tuple.*\(measurements,\)"),
        (lambda: train.sweep({"keep": keep}, at, [], 1.0), ValueError, "and 0 values"),
        (
            lambda: train.check_consistency(
                Matrix(jnp.eye(64), domain_shape=(8, 8)), TRUTH, TRUTH, jnp.ones((5, 64))
            ),
            ValueError,
            r"measurements of 6 images.*float32\[5,64\]",
        ),
        (
            lambda: train.sweep(
                {"broken": keep}, lambda _: ({"broken": BROKEN["broken"][1]}, TRUTH), [1], 1.0
            ).intervals(),
            ValueError,
            r"psnr of 'broken' expected .* numbers 2\.",
        ),
    ],
)
def test_bad_arguments_of_evaluations(call, error, message):
    with pytest.raises(error, match=message):
        call()
