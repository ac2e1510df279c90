"""Which kernel is used, and what happens where XLA is missing."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tensorflow as tf

from wattcast.model.network import kernel
from wattcast.model.network.kernel import choose_kernel


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found out about this process is found out anew, before and behind the test."""
    kernel._xla_compiles.cache_clear()
    yield
    kernel._xla_compiles.cache_clear()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graphics card is visible."""

    def devices(kind: str | None = None) -> list[tf.config.PhysicalDevice]:
        return [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")] if kind == "GPU" else []

    monkeypatch.setattr(tf.config, "list_physical_devices", devices)


@pytest.fixture(params=[tf.errors.InvalidArgumentError, tf.errors.UnimplementedError])
def no_xla(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Programs fail where they are to be compiled; grows with each try."""
    tried: list[str] = []
    real = tf.function

    def function(part: Callable[..., Any] | None = None, **options: Any) -> Any:
        if not options.get("jit_compile"):
            return real(part, **options)

        def fail(*_: Any) -> None:
            tried.append("tried")
            raise request.param(None, None, "no compiler for this platform")

        return fail

    monkeypatch.setattr(tf, "function", function)
    return tried


def test_a_cpu_with_a_compiler_runs_the_fast_kernel_unless_told_otherwise(caplog):
    assert not tf.config.list_physical_devices("GPU"), "this test is for a machine without"
    assert [choose_kernel(asked) for asked in ("auto", "keras", "fast")] == ["fast", "keras", "fast"]
    assert caplog.records == []


def test_a_visible_gpu_is_served_by_stock_layers_unless_told_otherwise(gpu, caplog):
    assert [choose_kernel(asked) for asked in ("auto", "keras", "fast")] == ["keras", "keras", "fast"]
    assert caplog.records == []


def test_without_a_compiler_stock_layers_train_and_one_warning_says_so(no_xla, caplog):
    asked = ["fast", "auto", "keras", "fast", "auto"]
    assert [choose_kernel(each) for each in asked] == ["keras"] * 5
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "XLA cannot compile here (no compiler for this platform)" in record.getMessage()
    assert "stock Keras layers" in record.getMessage()
    assert no_xla == ["tried"]


def test_who_asks_for_stock_layers_hears_no_warning_and_tries_no_compiler(no_xla, gpu, caplog):
    assert [choose_kernel(asked) for asked in ("keras", "auto")] == ["keras", "keras"]
    assert no_xla == []
    assert caplog.records == []


def test_a_compiler_is_tried_once_a_process(monkeypatch):
    real, tried = tf.function, []
    monkeypatch.setattr(tf, "function", lambda *given, **options: tried.append(options) or real(*given, **options))
    assert [choose_kernel("auto") for _ in range(3)] == ["fast"] * 3
    assert tried == [{"jit_compile": True}]
