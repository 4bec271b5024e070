"""What optimisation_vs_peers.py prints: a table for each case, and what is met of what is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from optimisation_cases import FFT_PAIRS
from optimisation_problems import GAP, WATCHED
from timing import print_table

ANCHORS = {
    ("mri", "FISTA"): "100 FISTA iterations, db4 level 3, MRI",
    ("deblur", "PGD, TV prox 20"): "100 proximal-gradient iterations, TV of 20 inner, blur",
}


def show(case: str, found: dict[str, Any]) -> None:
    """One table, and what belongs to it."""
    ours = {s["method"]: s for s in found["sides"] if s["who"] == "jaxrecon"}
    fastest = min((s["seconds_to_gap"] or np.inf for s in ours.values()), default=np.inf)
    rows = []
    for s in found["sides"]:
        base = ours.get(s["method"])
        ratio = s["seconds"]["median"] / base["seconds"]["median"] if base else None
        peer = s["who"] != "jaxrecon"
        reached = s["seconds_to_gap"]
        rows.append([
            s["who"],
            s["method"],
            f"{1e3 * s['seconds']['median']:.3f}",
            f"{ratio:.1f}" if peer and ratio else "",
            str(s["iterations_to_gap"] or "-"),
            f"{reached:.3f}" if reached else "-",
            f"{reached / fastest:.1f}" if peer and reached and np.isfinite(fastest) else "",
            f"{s['objective']:.4f}",
            f"{s['last_gap']:.0e}" + ("*" if s["own_best"] else ""),
        ])  # fmt: skip
    head = ["", "method", "ms/iteration", "x ours", f"to {GAP:g}", "s to it", "x our best"]
    print_table([*head, "objective", "last gap"], rows)
    if any(s["own_best"] for s in found["sides"]):
        print("* against the best of its own run: it has a problem of its own")
    if found["fft_pair"]:
        pair = found["fft_pair"]["median"]
        print(f"an FFT and its inverse, bare: {1e3 * pair:.3f} ms", end="")
        for (which, method), pairs in FFT_PAIRS.items():
            if which == case:
                spent = ours[method]["seconds"]["median"] / pair
                print(f"; an iteration of {method} takes {spent:.1f} of it and has {pairs}", end="")
        print()
    for name, forms in by_method(found["batch"]).items():
        items = ", ".join(f"{1e3 * seconds:.3f} ms by {form}" for form, seconds in forms.items())
        print(f"{name}, an item of 16: {items}".replace("by alone", "alone"))
    for what in ("compile", "setup"):
        spent = ", ".join(f"{m} {s:.2f}" for m, s in found[f"{what}_seconds"].items())
        print(f"{what} seconds of ours: {spent}")
    print(f"traces for other weights, data, angles: {sum(found['retraced'].values())}")
    for who, reason in found["not_run"].items():
        print(f"not run: {who}: {reason}")


def by_method(batch: dict[str, dict]) -> dict[str, dict[str, float]]:
    """method -> how the batch is run -> seconds of an iteration of an item."""
    found: dict[str, dict[str, float]] = {}
    for name, timing in batch.items():
        method, form = name.rsplit(": ", 1)
        found.setdefault(method, {})[form] = timing["median"]
    return found


def verdicts(report: dict[str, Any]) -> list[list[str]]:
    """What is asked for, what was measured, and whether it is met."""
    rows = []

    def row(what: str, measured: float, wanted: float, met: bool) -> None:
        rows.append([what, f"{measured:.2f}", f"{wanted:g}", "yes" if met else "NO"])

    for case, found in report["cases"].items():
        ours = {s["method"]: s for s in found["sides"] if s["who"] == "jaxrecon"}
        factor = 3.0 if case.startswith("ct") else 1.5
        for method in WATCHED[case]:
            peers = [s for s in found["sides"] if s["method"] == method and s["who"] != "jaxrecon"]
            if not peers or method not in ours:
                continue
            base = ours[method]["seconds"]["median"]
            near = min(peers, key=lambda s: s["seconds"]["median"])
            ratio = near["seconds"]["median"] / base
            text = f"{case}, {method}: as fast an iteration as {near['who']}, times"
            row(text, ratio, factor, ratio >= factor)
            if (case, method) in ANCHORS:
                deep = [s for s in peers if s["who"] == "DeepInverse"]
                for s in deep:
                    share = base / s["seconds"]["median"]
                    text = f"{ANCHORS[case, method]}: {100 * base:.2f} s against "
                    row(f"{text}{100 * s['seconds']['median']:.2f} s", share, 0.5, share <= 0.5)
        for name, forms in by_method(found["batch"]).items():
            for form in ("vmap", "lax.map"):
                ratio = forms[form] / forms["alone"]
                text = f"{case}, {name}: an item in a batch of 16 by {form} over one alone"
                row(text, ratio, 1, ratio <= 1)
        longest = max(found["compile_seconds"].values())
        row(f"{case}: longest compilation, s", longest, 5, longest < 5)
        again = sum(found["retraced"].values())
        row(f"{case}: traces for other weights, data, angles", again, 0, again == 0)
    return rows
