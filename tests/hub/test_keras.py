"""Keras's own ways with our networks: its registry, compile, fit, export and save."""

import numpy as np
from helpers import python, strong

from mpsrgan.hub.h5 import build, load_generator, save_generator

SMALL = {"blocks": 1, "filters": 8}


def test_a_loaded_generator_is_a_plain_keras_model(tmp_path, rng):
    save_generator(strong(build("pixelshuffle", SMALL)), tmp_path / "a.h5", "pixelshuffle", SMALL)
    model = load_generator(tmp_path / "a.h5")
    lr = rng.uniform(-1, 1, (2, 8, 8, 3)).astype("float32")
    before = model.predict(lr, verbose=0)
    model.compile("adam", "mae")
    model.fit(lr, np.zeros_like(before), epochs=1, verbose=0)
    after = model.predict(lr, verbose=0)
    assert np.abs(after - before).max() > 0
    model.export(tmp_path / "exported", verbose=False)
    assert any((tmp_path / "exported").iterdir())
    model.save(tmp_path / "a.keras")
    np.savez(tmp_path / "pair.npz", lr=lr, sr=after)
    imports = ["import sys, mpsrgan", "assert 'keras' not in sys.modules", "import keras, numpy"]
    files = [str(tmp_path / name) for name in ("pair.npz", "a.keras")]
    use = "print(abs(model.predict(pair['lr'], verbose=0) - pair['sr']).max() < 1e-5)"
    code = [*imports, f"pair = numpy.load({files[0]!r})", f"model = keras.saving.load_model({files[1]!r})", use]
    done = python("\n".join(code), timeout=200)
    assert done.stdout.endswith("True\n"), done.stdout + done.stderr
