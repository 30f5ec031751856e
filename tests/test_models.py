"""Whole models: the kernels agree with NumPy, with differences, and with JAX where it is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import symdiff as sd
from bench.models import MODELS, Model, lennard_jones
from symdiff import ir

every_model = pytest.mark.parametrize("name", MODELS)


def types_of(inputs: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"{array.dtype}[{','.join(map(str, array.shape))}]" for name, array in inputs.items()
    }


def derivative(model: Model, inputs: dict[str, Any]) -> sd.Function:
    return sd.value_and_grad(model.source, wrt=list(model.wrt), args=types_of(inputs))


def blocks(result: Any) -> list[Any]:
    """The value and the gradient with respect to each parameter."""
    value, gradient = result
    return [value, *gradient] if isinstance(gradient, tuple) else [value, gradient]


def assert_agree(found: Any, expected: Any, tolerance: float) -> None:
    """Shapes are the same, and elements up to a multiple of the largest one of their block."""
    for ours, theirs in zip(blocks(found), blocks(expected), strict=True):
        assert np.shape(ours) == np.shape(theirs)
        assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.max(np.abs(theirs)))


def with_numpy(model: Model, inputs: dict[str, Any]) -> float:
    """The value on plain arrays, where a scan is a loop in Python."""
    if isinstance(model.source, str):
        return lennard_jones(**inputs)
    return model.source(**inputs)


@every_model
def test_value_is_what_numpy_says(name: str) -> None:
    model = MODELS[name]
    inputs = model.inputs(**model.small)
    value, _ = sd.compile(derivative(model, inputs))(**inputs)
    assert_allclose(value, with_numpy(model, inputs), rtol=1e-12)


@every_model
def test_gradient_is_what_differences_say(name: str, rng: np.random.Generator) -> None:
    """Along random directions, for each parameter alone; Richardson's extrapolation."""
    model = MODELS[name]
    inputs = model.inputs(**model.small)
    _, *gradient = blocks(sd.compile(derivative(model, inputs))(**inputs))

    def slope(parameter: str, direction: Any, h: float) -> float:
        ends = (
            with_numpy(model, inputs | {parameter: inputs[parameter] + t * direction})
            for t in (h, -h)
        )
        return (next(ends) - next(ends)) / (2 * h)

    for parameter, block in zip(model.wrt, gradient, strict=True):
        for _ in range(3):
            direction = rng.normal(size=block.shape)
            direction /= np.linalg.norm(direction)
            h = 1e-3
            wide, narrow = slope(parameter, direction, h), slope(parameter, direction, h / 2)
            expected = (4 * narrow - wide) / 3
            scale = float(np.linalg.norm(block))
            assert_allclose(np.sum(block * direction), expected, rtol=0, atol=1e-6 * scale)


@every_model
def test_kernel_computes_what_the_interpreter_does(name: str) -> None:
    model = MODELS[name]
    inputs = model.inputs(**model.small)
    function = derivative(model, inputs)
    results = ir.interpret(function.ir, list(inputs.values()))
    expected = ir.build(function.ir.result, iter(results))
    assert_agree(sd.compile(function)(**inputs), expected, 1e-12)


@every_model
def test_shapes_come_from_the_call(name: str) -> None:
    model = MODELS[name]
    inputs = model.inputs(**model.small)
    found = sd.value_and_grad(model.source, wrt=list(model.wrt))(**inputs)
    assert_agree(found, sd.compile(derivative(model, inputs))(**inputs), 1e-12)


def against_jax(model: Model, name: str, inputs: dict[str, Any]) -> None:
    pytest.importorskip("jax")
    from bench import models_jax

    found = sd.compile(derivative(model, inputs))(**inputs)
    for function in models_jax.PEERS[name].values():
        peer = models_jax.value_and_grad(function, list(inputs), model.wrt)
        assert_agree(found, peer(*inputs.values()), 1e-10)


@every_model
def test_jax_agrees(name: str) -> None:
    model = MODELS[name]
    against_jax(model, name, model.inputs(**model.small))


@pytest.mark.slow
@every_model
def test_jax_agrees_at_full_size(name: str) -> None:
    model = MODELS[name]
    against_jax(model, name, model.inputs())


def test_rosenbrock_needs_no_scratch() -> None:
    """Input and output are all that a million variables take."""
    model = MODELS["rosenbrock"]
    types = {"x": "f64[1000000]"}
    assert sd.value_and_grad(model.source, args=types).cost().workspace_bytes <= 4096
