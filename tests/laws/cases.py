"""What an entry of a law table is. One table per package: tables/linops.py, tables/ct.py, ...

A table module lists its entries in OPERATORS, FUNCTIONALS or METHODS (any of them may be absent);
the law tests run over all tables. An entry that is not in a table is not done.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import pytest

from jaxrecon import Functional, LinearOperator, Method


class OperatorCase(NamedTuple):
    """A small instance of an operator."""

    name: str
    make: Callable[[Any], LinearOperator]
    """float32 or float64 -> the operator of that precision (complex ones use complex_dtype)."""
    float32_tolerance: float = 1e-5
    """of the dot test, relative to |Ax||y|; only to be raised with a reason written beside it."""
    float64_tolerance: float = 1e-12
    variant: bool = False
    """whether another entry of the same code stands for it in the laws that compile most"""


class FunctionalCase(NamedTuple):
    """A small instance of a functional, with a point well inside its domain."""

    name: str
    make: Callable[[Any], tuple[Functional, Any]]
    """float32 or float64 -> (functional, an x where it is finite and, if f is smooth, smooth)."""
    has_prox: bool = True
    has_grad: bool = False
    has_conjugate: bool = False
    convex: bool = True
    variant: bool = False
    """whether another entry of the same code stands for it in the laws that compile most"""


class MethodCase(NamedTuple):
    """A method on a small problem whose minimiser is known."""

    name: str
    make: Callable[[Any], tuple[Method, Any, Any]]
    """float32 or float64 -> (method, x0, the minimiser)."""
    iterations: int
    tolerance: float
    """on |x - minimiser| / |minimiser| in float64 after `iterations`."""
    variant: bool = False
    """whether another entry of the same code stands for it in the laws that compile most"""


def lowers_for_accelerators(function: Callable, *arguments: Any) -> None:
    """It lowers for CUDA and TPU, and all its products keep the precision of their dtype."""
    exported = jax.export.export(jax.jit(function), platforms=["cuda", "tpu"])(*arguments)
    assert exported.platforms == ("cuda", "tpu")
    products = [line for line in exported.mlir_module().splitlines() if "dot_general %" in line]
    low = [line.split(" : ")[0] for line in products if "[HIGHEST, HIGHEST]" not in line]
    assert not low, f"products in the default precision of the accelerator: {low}"


def quick_jit(function: Callable) -> Any:
    """`jax.jit` with little optimisation: laws compile many tiny programs and run each once."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def variants_slowly(cases: list, value: Callable = lambda case: case) -> list:
    """Parameters of a law that compiles much: it runs over variants with -m slow only."""
    return [
        pytest.param(value(case), id=case.name, marks=[pytest.mark.slow] if case.variant else [])
        for case in cases
    ]


def collect(kind: str) -> list:
    """All entries of OPERATORS, FUNCTIONALS or METHODS in the modules of tests/laws/tables."""
    from tests.laws import tables

    entries = []
    for info in pkgutil.iter_modules(tables.__path__):
        module = importlib.import_module(f"tests.laws.tables.{info.name}")
        entries += getattr(module, kind, [])
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names), f"names in the {kind} tables must be unique: {names}"
    return entries
