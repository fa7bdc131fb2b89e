"""The plan past one machine follows from its constants."""

import pytest

from benchmarks.scaling import Training, Upscaling


def test_workers_limit_until_the_store_does():
    plan = Upscaling(rate=10, price=0.1, requests=2, store_requests=1000)
    assert plan.plan(36_000, 1) == (1, 0.1, "workers")
    assert plan.plan(36_000, 100) == (0.02, pytest.approx(0.2), "store, requests")


def test_the_all_reduce_moves_all_gradients_twice():
    training = Training(seconds=1, gradient_bytes=1e9, bandwidth=1e9, latency=0)
    assert training.efficiency(1) == (1, "")
    assert training.efficiency(2) == (0.5, "all-reduce")
    assert training.efficiency(64)[0] == pytest.approx(1 / (1 + 2 * 63 / 64))


def test_a_slow_loader_limits_the_devices_of_a_host():
    training = Training(seconds=1, batch=4, gradient_bytes=0, latency=0, loader=8, hosted=8)
    assert [training.efficiency(devices) for devices in (2, 4, 64)] == [(1, ""), (0.5, "loader"), (0.25, "loader")]
