"""The command line of every experiment script."""

import argparse
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mpsrgan.commandline import INTERRUPTED, TERMINATED, exit_code
from mpsrgan.errors import UserError
from mpsrgan.experiment.settings import CONTENTS, FREE_ON_RESUME, PRECISIONS, Settings, as_json, from_json
from mpsrgan.quiet import import_keras


@dataclass(frozen=True)
class Request:
    """What the user asked for, resolved.

    data: absolute path of a folder, or None for the sample portraits. out: folder of the run. content: where the
    content loss comes from, in words, and data_hash: of the pairs, both once they are known.
    """

    preset: str
    data: str | None
    out: Path
    resume: bool
    settings: Settings
    content: str | None = None
    data_hash: str | None = None

    def as_json(self):
        return {
            "preset": self.preset,
            "data": self.data,
            "content": self.content,
            "data_hash": self.data_hash,
            "settings": as_json(self.settings),
        }


def main(experiment, argv=None):
    """Parses, runs, and returns the exit code: 0 done, 2 a user's mistake, 130 or 143 stopped and saved."""
    args = _parser(experiment).parse_args(argv)
    return exit_code(lambda: _main(experiment, args))


def _main(experiment, args):
    request = resolve(experiment, args)
    import_keras()
    if args.dry_run:
        from mpsrgan.experiment.plan import print_plan

        return print_plan(experiment, request)
    from mpsrgan.experiment.run import run

    return {"SIGINT": INTERRUPTED, "SIGTERM": TERMINATED}.get(run(experiment, request))


def _parser(experiment):
    parser = argparse.ArgumentParser(prog=f"experiments/{experiment.name}.py", description=experiment.paper.title)
    add = parser.add_argument
    add("--data", metavar="DIR", help="photographs, or pairs made by 'mpsrgan prepare' (default: sample portraits)")
    add("--counts", type=int, nargs=3, metavar=("TRAIN", "VAL", "TEST"), help="images in each split")
    add("--preset", choices=("quick", "paper"), help="quick (default) or the paper's set-up exactly")
    add("--epochs", type=int, metavar="N")
    add("--steps", type=int, metavar="N", help="total number of steps, instead of epochs")
    add("--batch", type=int, metavar="N")
    add("--seed", type=int, metavar="N")
    add("--precision", choices=PRECISIONS)
    add("--content", choices=CONTENTS, help="content loss: VGG19 features (the paper) or pixels")
    add("--warm-start", type=int, metavar="N", help="first N of the steps with pixel loss alone (beyond the paper)")
    add("--crop", type=int, metavar="PX", help="train on random crops of this many lr pixels")
    add("--flip", action="store_true", default=None, help="mirror half of the training images")
    add("--rotate", type=float, metavar="X", help="turn training images by up to X degrees")
    add("--brightness", type=float, metavar="X", help="lighten or darken them by up to this part, 0..1")
    add("--contrast", type=float, metavar="X", help="change their contrast by up to this part, 0..1")
    add("--tint", type=float, metavar="X", help="tint them by up to this part, 0..1")
    add("--noise", type=float, metavar="X", help="noise on the inputs, standard deviation in levels of 0..255")
    add("--blocks", type=int, metavar="N", help="residual blocks of the generator")
    add("--filters", type=int, metavar="N", help="filters of the generator and of the discriminator's first layer")
    add("--learning-rate", type=float, metavar="X")
    add("--adversarial-weight", type=float, metavar="X")
    add("--content-weight", type=float, metavar="X")
    add("--pixel-weight", type=float, metavar="X", help="of a pixel loss beside the content loss (beyond the paper)")
    add("--samples-every", type=int, metavar="N", help="steps between sample grids")
    add("--checkpoint-every", type=int, metavar="N", help="steps between checkpoints")
    add("--resume", action="store_true", help="go on from the last checkpoint in --out (default: the newest run)")
    add("--out", metavar="DIR", help=f"folder of the run (default: runs/{experiment.name})")
    add("--dry-run", action="store_true", help="print configuration, parameters and an estimate of cost; do nothing")
    return parser


def resolve(experiment, args):
    """argparse's result -> `Request`. Raises UserError for what cannot be."""
    names = {field.name for field in fields(Settings)}
    given = {name: value for name, value in vars(args).items() if name in names and value is not None}
    if "epochs" in given:
        given.setdefault("steps", None)
    if "counts" in given:
        given["counts"] = tuple(given["counts"])
    if args.resume:
        return _resumed(experiment, args, given)
    preset = args.preset or "quick"
    if preset == "paper" and not args.data and not args.dry_run:
        raise UserError(f"the paper preset needs photographs: --data DIR (the paper used {experiment.paper.data})")
    settings = experiment.preset(preset)
    if settings.steps and given.get("steps"):
        given.setdefault("warm_start", settings.warm_start * given["steps"] // settings.steps)
    settings = replace(settings, **given).check()
    return Request(preset, _absolute(args.data), _new_folder(experiment, args.out), False, settings)


def _absolute(data):
    """So that a run can be resumed from another folder."""
    return str(Path(data).resolve()) if data else None


def _new_folder(experiment, out):
    if out:
        folder = Path(out)
        if folder.is_dir() and any(folder.iterdir()):
            there = "go on with its run by --resume" if (folder / "config.json").exists() else "it holds no run"
            raise UserError(f"{folder} is not empty ({there}); choose another --out")
        return folder
    taken = {path.name for path in Path("runs").glob(f"{experiment.name}*")}
    names = (experiment.name if n == 1 else f"{experiment.name}-{n}" for n in range(1, len(taken) + 2))
    return Path("runs") / next(name for name in names if name not in taken)


def _resumed(experiment, args, given):
    if args.out:
        folder = Path(args.out)
    else:
        configs = sorted(Path("runs").glob(f"{experiment.name}*/config.json"), key=lambda path: path.stat().st_mtime)
        if not configs:
            raise UserError(f"there is no run of {experiment.name} to resume under runs/; name it with --out")
        folder = configs[-1].parent
    saved = _read_config(folder)
    settings = saved.settings
    named = {"preset": args.preset, "data": _absolute(args.data)}
    asked = {**given, **{name: value for name, value in named.items() if value}}
    was = {**vars(settings), "preset": saved.preset, "data": saved.data}
    changed = [f"{n} {was[n]} -> {v}" for n, v in asked.items() if was[n] != v and n not in FREE_ON_RESUME]
    if changed:
        raise UserError(f"{folder} was started with another configuration ({'; '.join(changed)}); resume without these")
    free = {name: value for name, value in given.items() if name in FREE_ON_RESUME}
    return replace(saved, settings=replace(settings, **free).check())


def _read_config(folder):
    """The request that config.json in a run's folder holds."""
    path = folder / "config.json"
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        words = [saved[name] for name in ("preset", "data", "content", "data_hash")]
        return Request(words[0], words[1], folder, True, from_json(saved["settings"]).check(), *words[2:])
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} holds no run to resume (no config.json); leave out --resume to start one") from None
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}); start a new run") from None
