"""Frozen dataclasses that are JAX pytrees and validate once, at construction."""

from __future__ import annotations

import dataclasses
from typing import Any, Self, dataclass_transform

import jax


def static(**kwargs: Any) -> Any:
    """Declare a field that is part of the pytree's structure: hashable, never traced.

    Shapes, counts and flags are static; arrays, angles, weights and step sizes are not.
    Takes the arguments of :func:`dataclasses.field`.
    """
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(static, dataclasses.field))
class Pytree:
    """Base of every operator, functional, geometry and method.

    A subclass is a frozen dataclass: it lists its fields with annotations, and those made by
    :func:`static` are part of the tree structure, all others are leaves or subtrees. An optional
    ``__post_init__`` validates the arguments. It runs in the constructor only: unflattening, as
    JAX does at every transformation with tracers, ``None`` or ``object()`` in the place of the
    leaves, bypasses it.

    Raises:
        TypeError: when a static field holds a value that cannot be hashed.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # the dataclass decorator would replace a __repr__ that the subclass or its bases define
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        leaves = tuple(f.name for f in fields if not f.metadata.get("static"))
        statics = tuple(f.name for f in fields if f.metadata.get("static"))

        def flatten_with_keys(self: Any):
            children = tuple((jax.tree_util.GetAttrKey(n), getattr(self, n)) for n in leaves)
            return children, tuple(getattr(self, n) for n in statics)

        def flatten(self: Any):
            return tuple(getattr(self, n) for n in leaves), tuple(getattr(self, n) for n in statics)

        def unflatten(aux: tuple, children: Any):
            self = object.__new__(cls)
            for name, value in zip(leaves, children, strict=True):
                object.__setattr__(self, name, value)
            for name, value in zip(statics, aux, strict=True):
                object.__setattr__(self, name, value)
            return self

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)

    def __post_init__(self) -> None:
        self._check_static_fields()

    def _check_static_fields(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if field.metadata.get("static"):
                value = getattr(self, field.name)
                try:
                    hash(value)
                except TypeError:
                    raise TypeError(
                        f"{type(self).__name__}: the field '{field.name}' is static, so it must be "
                        f"hashable, but it is a {type(value).__name__}; pass a tuple or a number "
                        "instead of a list, dict or array."
                    ) from None

    def _set(self, name: str, value: Any) -> None:
        """Normalise a field from within ``__post_init__`` (the dataclass is frozen after it)."""
        object.__setattr__(self, name, value)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields replaced; the constructor's validation runs again."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def __repr__(self) -> str:
        parts = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if hasattr(value, "shape") and hasattr(value, "dtype"):
                value = f"{value.dtype}{list(value.shape)}"
            else:
                value = repr(value)
            parts.append(f"{field.name}={value}")
        return f"{type(self).__name__}({', '.join(parts)})"
