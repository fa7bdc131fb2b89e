r"""Register a file of weights as one that ships: python tools/ship.py NAME RUN/generator.h5 --license TEXT --size TEXT

It writes weights/NAME.h5, together with what RUN/results.json says about the run, and the entry of the weights in
weights/registry.json. The card, weights/NAME.md, is written by hand. The same input gives the same bytes. Without a
file, weights/NAME.h5 is registered as it is. A discriminator comes from RUN/discriminator.h5, or from a checkpoint:

    python tools/ship.py NAME RUN/checkpoints/step-00001000.npz --kind discriminator \
        --architecture srgan-discriminator --arguments '{"channels": 3, "filters": 64}' ...
"""

import argparse
import json
import re
import sys
from pathlib import Path

import h5py
import numpy as np

from data_prep.pairs import make_pair
from mpsrgan.errors import UserError
from mpsrgan.hub import h5
from mpsrgan.hub.registry import is_weights_name
from mpsrgan.io.atomic import whole_file, write_text
from mpsrgan.io.console import exit_code, import_keras, say
from mpsrgan.io.files import hexdigest
from mpsrgan.io.images import to_float
from mpsrgan.io.reading import list_images, open_image

FOLDER = Path(__file__).parent.parent / "weights"
FACES, SIDE = 24, 64
"""Number of photographs, and their side as inputs in pixels, on which the halfway point of realism is measured."""


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("name", help="name of the weights: letters, digits and dashes")
    add(
        "source",
        nargs="?",
        type=Path,
        help="generator.h5 of a finished run; without it weights/NAME.h5 is registered as it is",
    )
    add("--use", required=True, help='what the weights are for, in a few words, such as "sharp faces, x4"')
    add("--license", required=True, help="what the licenses of the photographs allow, and which photographs these are")
    add("--size", required=True, help='which inputs the network takes, such as "any from 1x1 px"')
    add("--float16", action="store_true", help="store the arrays in 16 bits; Keras reads them into 32")
    add("--fidelity", metavar="NAME", help="weights of the same architecture trained on content alone")
    add(
        "--faces",
        type=Path,
        metavar="DIR",
        help="photographs outside of every test set, on which realism 0.5 is measured",
    )
    add("--discriminator", metavar="NAME", help="weights of the discriminator that it was trained with")
    add("--degraded", action="store_true", help="trained on images with blur, noise or another filter than bicubic")
    add("--kind", choices=("generator", "discriminator"), default="generator")
    add("--architecture", help="architecture of the discriminator in a checkpoint, which does not say it")
    add("--arguments", type=json.loads, default={}, metavar="JSON", help="arguments of its builder")
    return parser.parse_args(argv)


def ship(args, folder=FOLDER):
    """Write the file, if the arguments name a source, and its entry in registry.json.

    Args:
        args: The parsed arguments.
        folder: Folder of the weights and of registry.json.

    Returns:
        The entry.

    Raises:
        UserError: When the name or the source is invalid.
    """
    if not is_weights_name(args.name):
        raise UserError(f"{args.name}: a name without suffix and folder was expected")
    path = folder / f"{args.name}.h5"
    if args.source:
        write(args, path)
    entry = make_entry(args, path)
    known = folder / "registry.json"
    others = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    for partner in {args.fidelity, args.discriminator} - {None, *others}:
        say(f"note: {partner} is not registered yet")
    text = json.dumps({**others, args.name: entry}, indent=2, sort_keys=True)
    text = re.sub(r"\[[-\d.e,\s]*\]", lambda found: re.sub(r"\s", "", found[0]).replace(",", ", "), text)  # one line
    write_text(known, text + "\n")
    return entry


def write(args, path):
    """Write the source to `path`, in 16 bits if asked for, and say how much 16 bits change the output.

    Args:
        args: The parsed arguments.
        path: The .h5 file to write.
    """
    from mpsrgan.hub.probe import difference

    model, architecture, arguments = read(args)
    notes = {**run_notes(args.source), "card": f"weights/{path.stem}.md", "bicubic": not args.degraded}
    save = h5.save_discriminator if args.kind == "discriminator" else h5.save_generator
    with whole_file(path, ".tmp.h5") as made:
        save(model, made, architecture, arguments, notes)
        if args.float16:
            halve(made)
            apart = difference(probed(load(made, args.kind)), probed(model))
            say(f"float16: what comes out of the probe differs by at most {apart:.2g}")


def read(args):
    """Read the source.

    Args:
        args: The parsed arguments.

    Returns:
        The model, the name of its architecture, and the arguments of its builder.

    Raises:
        UserError: When the package builds another network now, or a checkpoint does not hold this discriminator.
    """
    if args.source.suffix != ".npz":
        note = h5.describe(args.source)
        model = load(args.source, args.kind)
        refuse_another_build(args.source, model)
        return model, note["architecture"], note["arguments"]
    if args.kind != "discriminator" or args.architecture not in h5.DISCRIMINATORS:
        raise UserError(
            f"{args.source}: a checkpoint; --kind discriminator and --architecture, one of "
            f"{', '.join(h5.DISCRIMINATORS)}, take the discriminator out of it"
        )
    model = h5.build(args.architecture, args.arguments)
    with np.load(args.source, allow_pickle=False) as file:
        arrays = [file[name] for name in sorted(file.files) if name.startswith("discriminator/")]
    if [a.shape for a in arrays] != [tuple(v.shape) for v in model.variables]:
        raise UserError(f"{args.source}: its discriminator is not {args.architecture} with {args.arguments}")
    for variable, array in zip(model.variables, arrays):
        variable.assign(array)
    return model, args.architecture, args.arguments


def refuse_another_build(path, model):
    """Refuse weights of a network that the package has changed since, for example in an activation.

    Such weights load without an error and give other images.

    Args:
        path: The .h5 file.
        model: The model that the package builds now.

    Raises:
        UserError: When a layer of the two differs.
    """
    with h5py.File(path, "r") as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    for old, new in zip(layers, json.loads(model.to_json())["config"]["layers"]):
        old, new = old["config"], new["config"]
        for key in (old.keys() & new.keys()) - {"dtype"}:
            if old[key] != new[key]:
                raise UserError(
                    f"{path}: its layer {old['name']} was saved with {key} {old[key]}, but this package builds "
                    f"{new[key]}; train it again"
                )


def load(source, kind):
    return h5.load_discriminator(source) if kind == "discriminator" else h5.load_generator(source)


def run_notes(source):
    """Read what results.json in the run's folder says about the run and its data.

    Args:
        source: File of the run.

    Returns:
        A dict, empty if there is no results.json.
    """
    for folder in source.resolve().parents[:2]:
        if (folder / "results.json").exists():
            results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            data = {key: value for key, value in results["data"].items() if value is not None}
            return {"run": results["run"], "data": data}
    say(f"note: no results.json beside {source}; the file will not say how it was trained")
    return {}


def halve(path):
    """Rewrite a .h5 file with its arrays in float16.

    Args:
        path: The file.

    Raises:
        UserError: When an array has a value that float16 cannot hold.
    """
    with whole_file(path) as half, h5py.File(path, "r") as old, h5py.File(half, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Group):
                new.create_group(name).attrs.update(item.attrs)
                return
            with np.errstate(over="ignore"):
                values = item[()].astype("float16")
            if not np.isfinite(values).all():
                raise UserError(f"{name} has values above 65504, which float16 cannot hold; leave out --float16")
            new.create_dataset(name, data=values).attrs.update(item.attrs)

        old.visititems(copy)


def stored_dtype(path):
    found = set()
    with h5py.File(path, "r") as file:
        file.visititems(lambda _, item: found.add(str(item.dtype)) if isinstance(item, h5py.Dataset) else None)
    return " and ".join(sorted(found))


def probed(model):
    """Measure the probe of a network, at the network's own size if it takes no other.

    Args:
        model: The network.

    Returns:
        The probe, as `mpsrgan.hub.probe.measure` returns it.
    """
    from mpsrgan.hub.probe import SIZE, measure

    sides = model.input_shape[1:3]
    return measure(model, size=SIZE if None in sides else sides)


def measure_halfway(args, model, scale):
    """Measure `mpsrgan.hub.interpolation.halfway` on the first photographs of args.faces, as inputs of 64 px.

    Args:
        args: The parsed arguments.
        model: The GAN's generator.
        scale: Its scale factor.

    Returns:
        The share, rounded to 3 decimals, or None without --fidelity or --faces.
    """
    if not (args.fidelity and args.faces):
        return None
    from mpsrgan.hub.interpolation import halfway

    faces = [open_image(path) for path in list_images(args.faces)[:FACES]]
    lr = to_float(np.stack([make_pair(face, SIDE * scale, SIDE, fit="crop")[1] for face in faces]))
    return round(halfway(load(args.fidelity, "generator"), model, lr), 3)


def make_entry(args, path):
    """Read from the file what registry.json says about it.

    Args:
        args: The parsed arguments.
        path: The .h5 file.

    Returns:
        The entry.
    """
    note, model = h5.describe(path), load(path, args.kind)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": hexdigest(path),
        "use": args.use,
        "kind": args.kind,
        "architecture": note["architecture"],
        "arguments": note["arguments"],
        "parameters": model.count_params(),
        "scale": note["scale"],
        "channels": model.input_shape[-1],
        "size": args.size,
        "dtype": stored_dtype(path),
        "licence": args.license,
        "fidelity": args.fidelity,
        "halfway": measure_halfway(args, model, note["scale"]),
        "discriminator": args.discriminator,
        "bicubic": not args.degraded,
        "probe": probed(model),
    }


def main(argv=None):
    args = parse(argv)

    def run():
        import_keras()
        entry = ship(args)
        print(f"weights/{entry['file']}: {entry['bytes']} bytes, sha256 {entry['sha256']}")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
