"""One `Upscaler` in several threads and processes: the right results, or a refusal."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import SMALL, strong

from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler

PICTURES = [np.random.default_rng(i).integers(0, 256, (6 + i, 8, 3), "uint8") for i in range(6)]
keeper = {}


@pytest.fixture(scope="module")
def upscalers():
    return [Upscaler(strong(build_generator(**SMALL), gain), backend="keras") for gain in (1.0, 0.5)]


@pytest.mark.backends
def test_threads_share_networks(upscalers):
    alone = [[upscaler(picture) for picture in PICTURES] for upscaler in upscalers]
    jobs = [(place, i) for i in range(len(PICTURES)) for place in (0, 1)] * 2
    with ThreadPoolExecutor(4) as pool:
        for (place, i), sr in zip(jobs, pool.map(lambda job: upscalers[job[0]](PICTURES[job[1]]), jobs)):
            np.testing.assert_array_equal(sr, alone[place][i])


def in_child(_):
    try:
        return keeper["upscaler"](PICTURES[0]).shape
    except Exception as error:
        return str(error)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_is_refused(upscalers):
    keeper["upscaler"] = upscalers[0]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert "start processes with multiprocessing.get_context('spawn')" in pool.map_async(in_child, [0]).get(60)[0]
