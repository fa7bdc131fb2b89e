import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers import SMALL, differ, strong
from helpers import noise as photo

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.images import save_image
from mpsrgan.models import enhance, pixelshuffle
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler, backends, generators

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The folder of converted generators, not yet there."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MPSRGAN_CACHE", str(folder))
    return folder / "onnx"


@pytest.fixture(scope="module")
def model():
    return strong(build_generator(**SMALL))


@pytest.mark.compiled
@pytest.mark.parametrize(
    "build", [pytest.param(build_generator, marks=pytest.mark.backends), pixelshuffle.build_generator]
)
def test_onnx_equals_keras_in_tiles(build):
    model, image = strong(build(**SMALL)), photo(23, 38)
    ours, theirs = (Upscaler(model, tile=7, backend=backend) for backend in ("keras", "onnx"))
    for name in ("scale", "channels", "parameters", "tile", "overlap", "align"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.backend.startswith("keras (") and theirs.backend.startswith("onnx (onnxruntime ")
    result = theirs(image)
    assert result.std() > 20 and differ(result, ours(image)) <= 1
    assert ours.model is theirs.model is model


def test_gray_in_onnxruntime():
    gray_model = strong(enhance.build_generator(**SMALL))
    for image in (photo(6, 9), photo(9, 6)[..., 0]):
        assert differ(Upscaler(gray_model, backend="onnx")(image), Upscaler(gray_model)(image)) <= 1


def never(*args):
    raise AssertionError("Keras was asked")


def test_files_are_converted_once_and_again_if_they_change(model, weights, cache, tmp_path, monkeypatch):
    image = photo(5, 6)
    first = Upscaler(weights, backend="onnx")
    expected = first(image)
    (converted,) = cache.iterdir()
    assert differ(expected, Upscaler(model)(image)) <= 1 and first.model.count_params() == first.parameters
    with monkeypatch.context() as patch:
        patch.setattr(backends, "load_keras", never)
        assert np.array_equal(Upscaler(weights, backend="onnx")(image), expected)
        assert np.array_equal(Upscaler(weights)(image), expected)
    save_generator(strong(build_generator(**SMALL), 0.5), tmp_path / weights.name, arguments=SMALL)
    assert differ(Upscaler(tmp_path / weights.name, backend="onnx")(image), expected) > 1
    assert len(list(cache.iterdir())) == 2
    converted.write_bytes(converted.read_bytes()[:5000])
    assert np.array_equal(Upscaler(weights, backend="onnx")(image), expected), "a corrupt one is converted again"
    monkeypatch.setattr(backends, "FORMAT", 0)
    with pytest.raises(AssertionError, match="Keras was asked"):
        monkeypatch.setattr(backends, "load_keras", never)
        Upscaler(weights, backend="onnx")


def test_interpolated_weights_are_converted_once(cache, tmp_path, monkeypatch):
    arguments, image = {**SMALL, "batch_norm": False}, photo(9, 7)
    for file, gain in [("soft", 0.7), ("gan", 1.0)]:
        save_generator(strong(build_generator(**arguments), gain), tmp_path / f"{file}.h5", arguments=arguments)
    at = lambda realism, backend: Upscaler(
        tmp_path / "gan.h5", backend=backend, realism=realism, fidelity=tmp_path / "soft.h5"
    )
    first, theirs = at(0.37, "onnx"), at(0.37, "keras")
    expected = theirs(image)
    assert differ(first(image), expected) <= 1 and first.realism == theirs.realism == 0.37
    assert first.parameters == theirs.parameters and first.overlap == theirs.overlap
    assert "sha256" not in first._generator.note, "it belongs to neither file"
    assert differ(expected, at(1, "onnx")(image)) > 2 < differ(expected, at(0, "onnx")(image))
    monkeypatch.setattr(backends, "load_keras", never)
    monkeypatch.setattr(backends, "GPUS", ())
    assert np.array_equal(at(0.37, "onnx")(image), first(image))
    for realism in (0, 0.37, 1):
        assert at(realism, "auto").backend.startswith("onnx ")
    assert np.array_equal(at(1, "onnx")(image), Upscaler(tmp_path / "gan.h5", backend="onnx")(image))
    assert np.array_equal(at(0, "onnx")(image), Upscaler(tmp_path / "soft.h5", backend="onnx")(image))
    assert len(list(cache.iterdir())) == 3


def test_batch_norm_is_interpolated_before_it_is_folded(weights, tmp_path):
    soft, image = strong(build_generator(**SMALL), 0.7), photo(9, 7)
    norms = [layer for layer in soft.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.set_weights([5 * w for w in norm.get_weights()])
    save_generator(soft, tmp_path / "soft.h5", arguments=SMALL)
    onnx, theirs = (
        Upscaler(weights, backend=backend, realism=0.5, fidelity=tmp_path / "soft.h5") for backend in ("onnx", "keras")
    )
    assert differ(onnx(image), theirs(image)) <= 1 and theirs(image).std() > 20
    assert onnx.model.count_params() == theirs.parameters


def test_the_cache_is_bounded_and_may_be_read_only(weights, cache, tmp_path, monkeypatch):
    cache.mkdir(parents=True)
    for i in range(4):
        (cache / f"{i}.onnx").write_text("")
        os.utime(cache / f"{i}.onnx", (i, i))
    monkeypatch.setattr(backends, "CACHED_FILES", 3)
    Upscaler(weights, backend="onnx")
    left = {path.name for path in cache.iterdir()}
    assert len(left) == 3 and {"2.onnx", "3.onnx"} < left
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "file"))
    assert Upscaler(weights, backend="onnx")(photo(2, 2)).shape == (8, 8, 3)


def test_conversion_is_in_float32_whatever_the_policy(weights, cache):
    made = []
    for policy in ("bfloat16", "float32"):
        keras.config.set_dtype_policy(policy)
        Upscaler(weights, backend="onnx")
        assert keras.config.dtype_policy().name == policy
        (file,) = cache.iterdir()
        made.append(file.read_bytes())
        file.unlink()
    assert made[0] == made[1]


def test_what_auto_takes(weights, tmp_path, monkeypatch):
    kind = lambda: Upscaler(weights).backend.split()[0]
    monkeypatch.setattr(backends, "GPUS", ())
    found, missing = importlib.util.find_spec, {"onnx"}
    find = lambda name: None if name in missing else found(name)
    monkeypatch.setattr(backends, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=find)))
    assert kind() == "keras", "nothing converts"
    missing.clear()
    assert kind() == "onnx"
    missing.add("onnx")
    assert kind() == "onnx", "it is converted already"
    missing.add("onnxruntime")
    assert kind() == "keras"
    missing.clear()
    monkeypatch.setattr(backends, "GPUS", ("null",))
    assert kind() == "keras", "there may be a GPU"
    monkeypatch.setattr(backends, "GPUS", ())
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert kind() == "keras", "another precision was asked for"


PRINT_HEAVY = "\nprint(sorted({'keras', 'tensorflow', 'jax', 'onnx', 'h5py', 'cv2'} & set(sys.modules)))"


def test_onnx_files_and_converted_ones_need_no_keras(weights, cache, tmp_path):
    save_image(photo(5, 6), tmp_path / "a.png")
    assert main(["export", str(weights), "-o", str(tmp_path / "a.onnx")]) == 0
    words = ["upscale", str(tmp_path / "a.png"), "-o", str(tmp_path / "out.png"), "--weights"]
    Upscaler(weights, backend="onnx")
    for file, heavy in [(tmp_path / "a.onnx", []), (weights, ["h5py"])]:
        code = f"import sys\nfrom mpsrgan.cli import main\nassert main({[*words, str(file), '--backend', 'onnx']}) == 0"
        done = subprocess.run([sys.executable, "-c", code + PRINT_HEAVY], capture_output=True, text=True)
        assert done.stdout == f"done 1, failed 0\n{heavy}\n", done.stderr
        assert done.stderr.splitlines()[1].startswith("backend: onnx (onnxruntime ")


def test_invalid_onnx_files(tmp_path, capfd):
    import onnx

    helper = onnx.helper
    (tmp_path / "text.onnx").write_text("no graph")
    (tmp_path / "folder.onnx").mkdir()
    border = lambda name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Relu", ["lr"], ["sr"])], "foreign", [border("lr")], [border("sr")])
    foreign = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name, note in [
        ("foreign", None),
        ("nojson", "{"),
        ("new", '{"format": 99}'),
        ("numbers", '{"format": 1, "scale": 0, "channels": 3, "align": 1, "radius": 1, "parameters": 1}'),
    ]:
        helper.set_model_props(foreign, {"mpsrgan": note} if note else {})
        onnx.save(foreign, tmp_path / f"{name}.onnx")
    for name, message in [
        ("none", "no such file"),
        ("folder", "is a folder"),
        ("text", "not a readable ONNX graph"),
        ("foreign", "was not exported by mpsrgan"),
        ("nojson", "was not exported by mpsrgan"),
        ("new", "format 99, this package reads 1"),
        ("numbers", r"corrupt: .* are \[0, 3, 1, 1\]"),
    ]:
        with pytest.raises(UserError, match=message):
            Upscaler(tmp_path / f"{name}.onnx")
    with pytest.raises(UserError, match="needs onnxruntime"):
        Upscaler(tmp_path / "foreign.onnx", backend="keras")
    assert capfd.readouterr() == ("", "")


def test_a_onnx_file_has_no_keras_model(model, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(generators.KerasGenerator(model).to_onnx().SerializeToString())
    upscaler = Upscaler(path)
    assert upscaler.parameters == model.count_params()
    with pytest.raises(UserError, match="a .h5 file"):
        upscaler.model  # noqa: B018


def test_runtimes_that_are_missing_or_unknown(model, weights, monkeypatch):
    with pytest.raises(UserError, match="unknown backend 'fast': use one of auto, keras, onnx"):
        Upscaler(model, backend="fast")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"ONNX needs onnxruntime, .*mpsrgan\[onnx\]"):
        Upscaler(weights, backend="onnx")


def test_providers_are_named_and_available_ones_listed(model, weights, tmp_path, monkeypatch, capfd):
    here = Upscaler(weights, providers=("cpu", "cpu"))
    assert here.backend.startswith("onnx (onnxruntime ") and "cpu" not in here.backend
    save_image(photo(5, 6), tmp_path / "a.png")
    words = [
        "upscale",
        str(tmp_path / "a.png"),
        "-o",
        str(tmp_path / "b.png"),
        "--weights",
        str(weights),
        "--providers",
    ]
    assert main([*words, "cpu"]) == 0 and "backend: onnx (onnxruntime" in capfd.readouterr().err
    assert main([*words, "coreml,npu"]) == 2
    assert "the installed onnxruntime lacks the provider coreml; available here: cpu (" in capfd.readouterr().err
    for arguments, message in [
        ({"providers": ("npu",)}, r"unknown provider 'npu': use some of cuda, .*, cpu \(available here: cpu\)"),
        ({"providers": ("cpu",), "backend": "keras"}, "providers are those of onnxruntime"),
    ]:
        with pytest.raises(UserError, match=message):
            Upscaler(model, **arguments)
    onnxruntime = generators.import_onnxruntime()
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    asked = []
    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(generators, "_checked", lambda name, text: dict.fromkeys(generators.NUMBERS, 1))
    meta = SimpleNamespace(custom_metadata_map={})
    session.get_modelmeta = lambda: meta
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda source, options, names: asked.append(names) or session)
    generators.OnnxGenerator(b"")
    with pytest.raises(UserError, match="could not start cuda"):
        generators.OnnxGenerator(b"", ("cuda",))
    session.get_providers = lambda: both
    assert generators.OnnxGenerator(b"", ["cuda"]).backend.endswith(", cuda, cpu)") and asked == [both] * 3


def test_onnxruntime_reports_nothing_and_takes_the_cores_that_are_free(monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    onnxruntime = generators.import_onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(generators, "cores", lambda: 3)
    assert generators._session_options(onnxruntime).intra_op_num_threads == 3
    monkeypatch.setattr(generators, "cores", lambda: 64)
    assert generators._session_options(onnxruntime).intra_op_num_threads == 0, "its own choice"


@pytest.mark.parametrize("given, threads", [("2", 2), ("9", 3), ("0", 3), ("4,2", 3)])
def test_onnxruntime_takes_no_more_threads_than_omp_allows(monkeypatch, given, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    onnxruntime = generators.import_onnxruntime()
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(generators, "cores", lambda: 3)
    assert generators._session_options(onnxruntime).intra_op_num_threads == threads


@pytest.mark.parametrize("policy", ["mixed_float16", "float32"])
def test_half_precision_that_overflows_is_computed_again_in_float32(policy, capsys):
    keras.config.set_dtype_policy(policy)
    model = strong(build_generator(**SMALL))
    head = model.get_layer("head")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, np.full_like(bias, 1e5)])  # float16 ends at 65504
    model.predict_on_batch = lambda lr, run=model.predict_on_batch: calls.append(1) or run(lr)
    calls, generator = [], generators.KerasGenerator(model)
    lr = np.random.default_rng(0).uniform(-1, 1, (1, 6, 5, 3)).astype("float32")
    for _ in range(2):
        assert np.isfinite(generator(lr)).all()
    assert len(calls) == 2
    assert capsys.readouterr().err.count("computed again in float32") == (policy == "mixed_float16")


def test_a_black_result_of_half_precision_is_computed_again_unless_the_input_is_black():
    black = np.full((1, 8, 8, 3), -1, "float32")
    for lr, sr, good in [(black, black, True), (-black, black, False), (-black, -black, True), (black, -black, True)]:
        assert generators._plausible(sr, lr) == good
    assert not generators._plausible(np.concatenate([-black, black]), np.concatenate([-black, -black])), "one of two"


def external(path, location):
    """Write an ONNX graph whose weights lie in another file."""
    onnx = pytest.importorskip("onnx")
    weights = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    value = lambda name: onnx.helper.make_tensor_value_info(name, 1, [4])
    add = onnx.helper.make_node("Add", ["lr", "w"], ["sr"])
    graph = onnx.helper.make_graph([add], "graph", [value("lr")], [value("sr")], [weights])
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "x/../../" + 60 * "y/../" + "secret.bin"])
def test_an_onnx_graph_with_weights_outside_its_folder_is_refused(location, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    external(tmp_path / "folder" / "g.onnx", location)
    with pytest.raises(UserError, match="g.onnx: has its weights in .*, outside its folder; export it again"):
        generators.OnnxGenerator(tmp_path / "folder" / "g.onnx")


def test_an_onnx_graph_that_names_a_file_in_another_order_is_refused(tmp_path):
    external(tmp_path / "g.onnx", "../w.bin")
    data = (tmp_path / "g.onnx").read_bytes()
    key, value = b"\x0a\x08location", b"\x12\x08../w.bin"
    assert key + value in data
    (tmp_path / "g.onnx").write_bytes(data.replace(key + value, value + key))
    with pytest.raises(UserError, match="g.onnx: names files of weights in an unusual order; export it again"):
        generators.OnnxGenerator(tmp_path / "g.onnx")
