import importlib.metadata
import importlib.util
import os
import shutil
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers import strong

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.export import check, export_generator, formats, precision
from mpsrgan.hub.h5 import ARCHITECTURES, describe, load_generator, save_generator
from mpsrgan.models import enhance, inception, lite, pixelshuffle, srgan
from mpsrgan.upscale.generators import KerasGenerator, OnnxGenerator

SMALL = {"blocks": 1, "filters": 8}
TENSORFLOW = tuple(map(int, importlib.metadata.version("tensorflow").split(".")[:2]))
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs the TensorFlow backend")
BUILT = {
    "srgan": [(srgan, SMALL), (srgan, {**SMALL, "scale": 2, "channels": 1, "batch_norm": False})],
    "enhance": [(enhance, {**SMALL, "batch_norm": True}), (enhance, {**SMALL, "scale": 3, "channels": 3})],
    "pixelshuffle": [(pixelshuffle, {**SMALL, "filters": 12}), (pixelshuffle, {**SMALL, "scale": 4, "channels": 1})],
    "inception": [(inception, {"filters": 8}), (inception, {"filters": 4, "scale": 2, "asymmetric": True})],
    "lite": [
        (lite, SMALL),
        (lite, {**SMALL, "detail": 2}),
        (lite, {**SMALL, "context": 6}),
        (lite, {**SMALL, "scale": 3, "channels": 1}),
    ],
}


def shaken(model):
    """`strong`, and batch norm and learned scales far from where they begin."""
    rng = np.random.default_rng(7)
    for layer in strong(model).layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            draw = lambda low, high, like: rng.uniform(low, high, like.shape)
            ranges = [(0.6, 1.4), (-0.3, 0.3), (-0.3, 0.3), (0.5, 2)]  # gamma, beta, mean, variance
            layer.set_weights([draw(*limits, like) for limits, like in zip(ranges, layer.get_weights())])
        if isinstance(layer, pixelshuffle.ClampedScale):
            layer.scale.assign(0.37)
    return model


def levels(a, b):
    """Largest difference in gray levels of 0..255."""
    return 127.5 * float(np.abs(np.asarray(a) - np.asarray(b)).max())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.h5"
    save_generator(shaken(srgan.build_generator(**SMALL)), path, arguments=SMALL)
    return path


def operations(path):
    import onnx

    return [node.op_type for node in onnx.load(path).graph.node]


# --- the graph


def test_every_architecture_is_tried():
    assert set(BUILT) == set(ARCHITECTURES)


BOTH = [(kind, build, options) for kind, several in BUILT.items() for build, options in several]


@pytest.mark.parametrize(
    "kind, build, options",
    [pytest.param(*one, marks=[pytest.mark.backends] * (one == BOTH[0])) for one in BOTH],
)
def test_onnx_equals_keras_at_any_size(rng, kind, build, options):
    model = shaken(build.build_generator(**options))
    run = OnnxGenerator(KerasGenerator(model).to_onnx().SerializeToString())
    for size in [(6, 7)] if keras.backend.backend() == "jax" else [(13, 8), (6, 7), (2, 3), (1, 1)]:
        lr = rng.uniform(-1, 1, (2, *size, run.channels)).astype("float32")
        sr, expected = run(lr), np.asarray(model(lr))
        assert sr.shape == expected.shape == (2, run.scale * size[0], run.scale * size[1], run.channels)
        assert levels(sr, expected) < 0.01 and (size == (1, 1) or expected.std() > 0.05)


def test_the_graph_is_lean_and_takes_any_size(weights, tmp_path):
    import onnx

    export_generator(weights, tmp_path / "a.onnx")
    model, kinds = onnx.load(tmp_path / "a.onnx"), operations(tmp_path / "a.onnx")
    assert kinds[0] == kinds[-1] == "Transpose" and kinds.count("Transpose") == 2
    assert set(kinds) == {"Transpose", "Conv", "Relu", "Add", "Resize", "DepthToSpace", "Tanh"}
    sides = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert sides == ["batch", "height", "width", 3] and model.opset_import[0].version == 17
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["lr", "sr"]


def test_the_file_says_what_running_it_takes(weights, tmp_path):
    from mpsrgan.io.files import hexdigest

    export_generator(weights, tmp_path / "a.onnx")
    run = OnnxGenerator(tmp_path / "a.onnx")
    keras_one = KerasGenerator(srgan.build_generator(**SMALL))
    for name in ("scale", "channels", "align", "radius", "parameters"):
        assert getattr(run, name) == getattr(keras_one, name) > 0
    assert run.note["sha256"] == hexdigest(weights) and run.note["description"] == describe(weights)
    shuffle = KerasGenerator(pixelshuffle.build_generator(**SMALL))
    run = OnnxGenerator(shuffle.to_onnx().SerializeToString())
    assert (run.scale, run.align, run.radius) == (2, 2, shuffle.radius) and "sha256" not in run.note


def chain(*stages):
    x = lr = keras.Input((None, None, 3))
    for stage in stages:
        x = stage(x)
    return keras.Model(lr, x)


def shared_convolution():
    lr = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(3, 3, padding="same")(lr)
    y = keras.layers.BatchNormalization(name="odd")(x)
    return keras.Model(lr, keras.layers.UpSampling2D(2)(keras.layers.Add()([x, y])))


@pytest.mark.parametrize(
    "build",
    [
        lambda: chain(keras.layers.UpSampling2D(2), keras.layers.PReLU(shared_axes=[1, 2], name="odd")),
        lambda: chain(keras.layers.UpSampling2D(2), keras.layers.BatchNormalization(name="odd")),
        lambda: chain(keras.layers.UpSampling2D(2), keras.layers.ReLU(6, name="odd")),
        lambda: chain(keras.layers.UpSampling2D(2), keras.layers.Activation("gelu", name="odd")),
        lambda: chain(keras.layers.UpSampling2D(2, interpolation="bilinear", name="odd")),
        shared_convolution,
    ],
)
def test_what_cannot_be_written_is_named(build):
    generator = SimpleNamespace(channels=3)
    from mpsrgan.models.onnx import to_onnx

    with pytest.raises(UserError, match="layer 'odd' .*cannot be written to ONNX"):
        to_onnx(build(), {"channels": generator.channels})


# --- the command


def test_the_command_tells_size_and_difference(weights, tmp_path, capfd):
    out = tmp_path / "new" / "a.onnx"
    assert main(["export", str(weights), "-o", str(out), "--lr-size", "20x12"]) == 0
    told, err = capfd.readouterr()
    first, second = told.splitlines()
    assert first == f"{out}: onnx, {out.stat().st_size / 1e6:.2f} MB, images of any size" and err == ""
    assert second.startswith("from Keras: at most ") and "20x12 and 50x37 px" in second
    assert [path.name for path in out.parent.iterdir()] == ["a.onnx"]


def test_photographs_are_measured(weights, photos, tmp_path):
    made = export_generator(weights, tmp_path / "a.onnx", size=16, photos=photos)
    number, ours, theirs = made.photos
    assert number == 16 and ours == pytest.approx(theirs, abs=0.01) and 3 < ours < 30
    with pytest.raises(UserError, match="holds no image"):
        export_generator(weights, tmp_path / "b.onnx", photos=weights.parent)
    assert not (tmp_path / "b.onnx").exists()


def test_the_difference_is_that_of_the_pictures():
    ours = lambda lr: np.repeat(np.repeat(lr, 2, 1), 2, 2) * 0.5
    apart = check.compare(ours, lambda lr: ours(lr) + 2 / 255, [(8, 9), (5, 4)], 3)
    assert apart.largest == pytest.approx(1, rel=1e-3) and apart.mean == pytest.approx(1, rel=1e-3)
    assert apart.psnr == pytest.approx(20 * np.log10(255), abs=0.01)
    assert check.compare(ours, ours, [(8, 9)], 1).psnr == float("inf")
    with pytest.raises(UserError, match="diverged"):
        check.compare(ours, lambda lr: ours(lr) * np.nan, [(8, 9)], 3)
    with pytest.raises(UserError, match="cannot be used"):
        check.compare(ours, lambda lr: lr, [(8, 9)], 3)
    face = check.face((64, 48), 3)
    assert face.shape == (64, 48, 3) and face.std() > 40 and check.face((8, 8), 1).shape == (8, 8, 1)


def refused(words, capfd):
    code = main(["export", *map(str, words)])
    out, err = capfd.readouterr()
    assert code == 2 and err.count("\n") == 1 and out == ""
    return err


def test_orders_that_do_not_do(weights, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    (tmp_path / "old.onnx").write_text("a diary")
    (tmp_path / "other.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    (tmp_path / "model").mkdir()
    for name in ("saved_model.pb", "thesis.txt"):
        (tmp_path / "model" / name).write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "diary").write_text("")
    (tmp_path / "x.bin").write_text("weights of something else")
    for name in ("y.xml", "z.xml"):
        (tmp_path / name).write_text("<?xml version='1.0'?><settings/>")
    (tmp_path / "y.bin").write_text("data of something else")
    before = sorted(tmp_path.rglob("*"))
    for words, message in [
        ((weights, "-o", tmp_path / "a.txt"), "its suffix tells no format; use .onnx, .tflite"),
        ((weights, "-o", tmp_path / "a.onnx", "--format", "litert"), "ends in .tflite"),
        (
            (weights, "-o", tmp_path / "a.onnx", "--precision", "dynamic"),
            "in float32 or float16 or int8, not in dynamic",
        ),
        ((weights, "-o", tmp_path / "a.onnx", "--calibrate", tmp_path), "are for int8"),
        ((weights, "-o", tmp_path / "a.onnx", "--precision", "int8", "--calibrate", tmp_path / "folder"), "no image"),
        ((weights, "-o", tmp_path / "file" / "a.onnx"), "cannot be written"),
        ((weights, "-o", tmp_path / "old.onnx"), "not what an earlier export left"),
        ((weights, "-o", tmp_path / "folder"), "not what an earlier export left"),
        ((weights, "-o", tmp_path / "model"), "not what an earlier export left"),
        ((weights, "-o", tmp_path / "other.onnx"), "not what an earlier export left"),
        ((weights, "-o", tmp_path / "folder", "--format", "onnx"), "ends in .onnx"),
        ((weights, "-o", tmp_path / "x.xml"), "x.bin: exists"),
        ((weights, "-o", tmp_path / "y.xml"), "y.bin: exists"),
        ((weights, "-o", tmp_path / "z.xml"), "z.xml: exists and is not what an earlier export left"),
        (("none.h5", "-o", tmp_path / "a.onnx"), "no such file"),
        (("nobody", "-o", tmp_path / "a.onnx"), "no weights are named 'nobody'; these ship"),
        ((weights, "-o", tmp_path / "a.onnx", "--photos", tmp_path / "none"), "no such folder"),
        ((weights, "-o", "."), ".: is a folder; name a file"),
    ]:
        assert message in refused(words, capfd), words
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "old.onnx").read_text() == "a diary"
    with pytest.raises(UserError, match="unknown format 'coreml'"):
        export_generator(weights, tmp_path / "a", "coreml")


@pytest.mark.parametrize(
    "name, message",
    [
        ("a.onnx", r"onnx needs onnx and onnxruntime, .*mpsrgan\[onnx\]"),
        ("a.tflite", r"litert needs ai_edge_litert, .*mpsrgan\[litert\]"),
        ("a.xml", r"openvino needs onnx and openvino, .*mpsrgan\[openvino\]"),
    ],
)
def test_missing_packages_are_named(weights, tmp_path, monkeypatch, name, message):
    monkeypatch.setattr(formats, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None)))
    with pytest.raises(UserError, match=message):
        export_generator(weights, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_another_network_does_not_appear(weights, tmp_path, monkeypatch):
    export_generator(weights, tmp_path / "a.onnx")
    before = (tmp_path / "a.onnx").read_bytes()
    other = KerasGenerator(strong(srgan.build_generator(**SMALL), 0.5)).to_onnx().SerializeToString()
    write = lambda generator, target, *options: target.write_bytes(other)
    monkeypatch.setitem(formats.FORMATS, "onnx", formats.Format(".onnx", "", (), write, OnnxGenerator, b"\x08"))
    with pytest.raises(UserError, match="would differ from Keras by .* gray levels and was not written"):
        export_generator(weights, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_failures_of_a_library_are_one_line(weights, tmp_path, monkeypatch, capfd):
    def write(generator, target, *options):
        print("chatter")
        os.write(2, b"of C++")
        raise RuntimeError("out\nof order")

    monkeypatch.setitem(formats.FORMATS, "onnx", formats.Format(".onnx", "", (), write, OnnxGenerator, b"\x08"))
    assert "cannot be exported to onnx (RuntimeError: out of order)" in refused(
        (weights, "-o", tmp_path / "a.onnx"), capfd
    )


# --- narrower numbers


def test_float16_halves_the_file_and_int8_computes_in_integers(tmp_path, photos, capfd):
    import onnx

    arguments = {"blocks": 2, "filters": 16}
    save_generator(shaken(lite.build_generator(**arguments)), tmp_path / "a.h5", "lite", arguments)
    source, sizes = str(tmp_path / "a.h5"), {}
    for narrow in (None, "float16", "int8"):
        words = ["export", source, "-o", str(tmp_path / "a.onnx"), "--lr-size", "12"]
        words += ["--precision", narrow] * bool(narrow) + ["--calibrate", str(photos)] * (narrow == "int8")
        assert main(words) == 0
        told = capfd.readouterr().out.splitlines()
        assert len(told) == 2 + bool(narrow) + (narrow == "int8")
        assert not narrow or " ms, " in told[-1] and told[-1].startswith(f"{narrow}: ")
        sizes[narrow] = (tmp_path / "a.onnx").stat().st_size
    assert told[2].startswith("8 photographs at 12 px: Keras ")
    assert sizes["int8"] < 0.75 * sizes[None] and sizes["float16"] < 0.65 * sizes[None]
    graph = onnx.load(tmp_path / "a.onnx").graph
    reads = {node.output[0]: node.op_type for node in graph.node}
    inputs = [[reads.get(name) for name in node.input] for node in graph.node if node.op_type == "Conv"]
    assert [kinds[:2] for kinds in inputs] == [["DequantizeLinear"] * 2] * 7
    weights = [onnx.numpy_helper.to_array(one) for one in graph.initializer if one.name.endswith("kernel_quantized")]
    assert len(weights) == 7 and max(np.abs(one.astype(int)).max() for one in weights) <= 64
    run = OnnxGenerator(tmp_path / "a.onnx")
    assert run.note["description"]["architecture"] == "lite", "the note is kept"
    lr = check.face((12, 12), 3)[None] / np.float32(127.5) - 1
    difference = np.abs(run(lr) - KerasGenerator(load_generator(source))(lr))
    assert 0 < difference.mean() < 0.1


def test_calibration_pictures_are_not_those_that_the_result_is_measured_on(photos, tmp_path, monkeypatch):
    photos = shutil.copytree(photos, tmp_path / "photos")  # one of which is spoiled
    ranges, others = precision.calibration_pictures(photos)
    assert len(ranges) == len(others) == 8 and not set(ranges) & set(others)
    others[0].write_bytes(b"no picture")
    assert precision.calibration_pictures(photos) == (ranges, others[1:])
    monkeypatch.setattr(precision, "PICTURES", 2)
    ranges, others = precision.calibration_pictures()
    assert [len(ranges), len(others)] == [4, 4] and {path.suffix for path in ranges} == {".pgm", ".jpg"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="int8 needs calibration pictures; name a folder of faces with --calibrate"):
        precision.calibration_pictures()


# --- the other formats


def needs(package):
    return pytest.mark.skipif(not importlib.util.find_spec(package), reason=f"needs the package {package}")


@pytest.mark.compiled
@on_tensorflow
@needs("ai_edge_litert")
@pytest.mark.skipif(TENSORFLOW < (2, 20), reason="the converter of TensorFlow 2.19 fails on these networks")
def test_litert_takes_one_size_and_shrinks(weights, tmp_path, capfd):
    out = tmp_path / "a.tflite"
    assert main(["export", str(weights), "-o", str(out), "--lr-size", "10x12"]) == 0
    told, err = capfd.readouterr()
    assert "images of 10x12 px" in told and "(a face of 10x12 px)" in told and err == ""
    large = out.stat().st_size
    run = formats.FORMATS["litert"].load(out)
    assert run(np.zeros((1, 12, 10, 3), "float32")).shape == (1, 48, 40, 3)
    with pytest.raises(RuntimeError):
        run(np.zeros((1, 12, 11, 3), "float32"))
    made = export_generator(weights, out, size=(12, 10), precision="dynamic")
    assert out.stat().st_size < 0.7 * large and 0.01 < made.difference.largest < 60


@pytest.mark.compiled
@on_tensorflow
def test_saved_model_takes_any_size_and_replaces_an_earlier_one(tmp_path):
    arguments = {**SMALL, "filters": 12}
    save_generator(shaken(pixelshuffle.build_generator(**arguments)), tmp_path / "a.h5", "pixelshuffle", arguments)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "variables").mkdir()
    for name in ("saved_model.pb", "variables/old"):
        (tmp_path / "a" / name).write_text("an earlier export")
    made = export_generator(tmp_path / "a.h5", tmp_path / "a", size=9)
    assert made.format == "saved_model" and made.difference.largest < 0.01
    assert (tmp_path / "a" / "saved_model.pb").is_file() and made.megabytes > 0.01
    assert not (tmp_path / "a" / "variables" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.h5"]


@needs("openvino")
def test_openvino_takes_any_size(weights, tmp_path):
    made = export_generator(weights, tmp_path / "a.xml", size=9)
    assert made.difference.largest < 0.01 and made.sizes == ((9, 9), check.ODD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "a.xml"]
    export_generator(weights, tmp_path / "a.xml", size=9)


def test_formats_of_tensorflow_are_refused_elsewhere(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match="saved_model needs the TensorFlow backend, Keras runs on jax"):
        export_generator(weights, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_openvino_is_imported_without_its_telemetry(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace())
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    formats._import_openvino()
    assert sys.modules["openvino_telemetry"] is None
