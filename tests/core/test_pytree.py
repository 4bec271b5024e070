"""Pytrees validate once, and survive every transformation."""

import jax
import jax.numpy as jnp
import pytest

from jaxrecon.core import Pytree, static

calls = []


class Lens(Pytree):
    focus: jax.Array
    count: int = static(default=1)

    def __post_init__(self):
        calls.append(self.count)
        super().__post_init__()


def test_validation_runs_in_the_constructor_only():
    calls.clear()
    lens = Lens(jnp.ones(3), 2)
    jax.jit(lambda a: a.focus * a.count)(lens)
    jax.vmap(lambda a: a.focus)(lens)
    jax.grad(lambda a: a.focus.sum())(lens)
    jax.tree.map(lambda _: None, lens)
    assert calls == [2]
    assert lens.replace(count=3).count == 3
    assert calls == [2, 3]


def test_static_fields_are_structure():
    assert jax.tree.leaves(Lens(2.0, 5)) == [2.0]
    assert jax.tree.structure(Lens(1.0, 5)) == jax.tree.structure(Lens(2.0, 5))
    assert jax.tree.structure(Lens(1.0, 5)) != jax.tree.structure(Lens(1.0, 6))


def test_frozen_and_hashable_statics():
    with pytest.raises(AttributeError):
        Lens(1.0).focus = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="'count' is static"):
        Lens(1.0, [1, 2])  # type: ignore[arg-type]
