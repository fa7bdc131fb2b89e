"""Builds the page that upscales in the browser, docs/demo/, into docs/demo/dist/: `make demo`.

It installs onnxruntime-web with npm, exports mpsrgan-lite, and writes about.json. From this file the page knows the
sizes of the windows and what a note in a result looks like. Any web server can serve the folder.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from mpsrgan import Upscaler, __version__
from mpsrgan.errors import UserError
from mpsrgan.export import export_generator
from mpsrgan.hub.registry import entry
from mpsrgan.io.console import exit_code
from mpsrgan.io.metadata import PACKET, SOURCE_TYPE
from mpsrgan.io.provenance import WARNING

WEIGHTS = "mpsrgan-lite"
ROOT = Path(__file__).resolve().parent.parent
SOURCES, PACKAGES = ROOT / "docs" / "demo", ROOT / "build" / "demo"
RUNTIME = (
    *("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    *("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
)
"""Files of onnxruntime-web that the page loads: those for the processor, and those for WebGPU."""


def about():
    """Return what about.json holds."""
    upscaler = Upscaler(WEIGHTS, backend="onnx")
    sizes = {"scale": upscaler.scale, "tile": 192, "overlap": upscaler.overlap}
    note = {"software": f"mpsrgan {__version__}", "model": WEIGHTS, "weights_sha256": entry(WEIGHTS).sha256}
    return {**sizes, "note": note, "warning": WARNING, "packet": PACKET.replace("{source_type}", SOURCE_TYPE)}


def build():
    """Build docs/demo/dist/.

    Raises:
        UserError: When npm is missing or fails, or mpsrgan-lite cannot be exported.
    """
    npm, out = shutil.which("npm"), SOURCES / "dist"
    if not npm:
        raise UserError("npm was not found; install Node.js, see https://nodejs.org")
    PACKAGES.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCES / "package.json", PACKAGES)
    if subprocess.run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=PACKAGES).returncode:
        raise UserError(f"npm install failed in {PACKAGES}; see its message above")
    out.mkdir(exist_ok=True)
    for source in (*SOURCES.glob("*.html"), *SOURCES.glob("*.css"), *SOURCES.glob("*.js")):
        shutil.copy(source, out)
    for name in RUNTIME:
        shutil.copy(PACKAGES / "node_modules" / "onnxruntime-web" / "dist" / name, out)
    export_generator(WEIGHTS, out / f"{WEIGHTS}.onnx")
    (out / "about.json").write_text(json.dumps(about()), encoding="utf-8")
    print(f"{out}: built; to try it, python -m http.server -d {out} -b 127.0.0.1 8000")


if __name__ == "__main__":
    sys.exit(exit_code(build))
