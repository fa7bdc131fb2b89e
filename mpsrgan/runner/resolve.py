"""The parsed command line of an experiment script, resolved to a `Request`."""

from dataclasses import replace
from pathlib import Path

from data_prep.named import location
from mpsrgan.errors import UserError
from mpsrgan.hub.registry import is_weights_name
from mpsrgan.hub.remote import is_remote
from mpsrgan.io.names import next_free
from mpsrgan.runner.fields import flag, words
from mpsrgan.runner.options import ALL, check_experiment
from mpsrgan.runner.request import PATHS, RATE, STUDY, Request, read_config, read_study, was_begun
from mpsrgan.runner.settings import FIELDS

NETWORK = ("channels", "blocks", "filters", "batch_norm", "asymmetric", "detail", "context")
"""Settings that, with the scale, decide the generator. Where they are changed, weights that ship do not fit."""
FALLS = {"decay_every": None, "decay_epochs": None, "cosine": False}
"""Settings that lower the learning rate over a run, each with the value that turns it off."""


def resolve(experiment, args):
    """Resolve the parsed command line to a `Request`.

    Args:
        experiment: The `Experiment` of the script.
        args: Result of `argparse`.

    Returns:
        The `Request`.

    Raises:
        UserError: When an option or a combination of options cannot work.
    """
    _check_processes(args)
    study = experiment.study
    given = {name: value for name, value in vars(args).items() if name in FIELDS and value is not None}
    choice = getattr(args, study.option) if study else None
    if study:
        given.pop(study.option, None)
    if "epochs" in given:
        if "steps" in given:
            raise UserError("--steps and --epochs exclude each other; leave one out")
        given["steps"] = None
    if not args.resume and any(given.get(name) for name in FALLS):  # a named schedule replaces the preset's
        given = {**FALLS, **given}
    if useless := [name for name in experiment.unused if name in given]:
        raise UserError(f"{flag(FIELDS[useless[0]])} changes nothing in {experiment.name}; leave it out")
    if "counts" in given:
        given["counts"] = tuple(given["counts"])
    if args.resume:
        if given.get("precision") == "auto":  # keeps what "auto" meant at first
            del given["precision"]
        return _resumed(experiment, args, given, choice)
    preset = args.preset or "quick"
    if preset == "paper" and not args.data and not args.dry_run:
        raise UserError(f"the paper preset needs photographs: --data DIR (the paper used {experiment.paper.data})")
    from_scratch = getattr(args, "from_scratch", False)
    if from_scratch and preset == "paper":
        raise UserError("--from-scratch is for the quick preset; the paper preset starts from random weights anyway")
    if preset == "quick" and experiment.start and not args.start:
        from_scratch = from_scratch or _has_own_network(experiment.preset(preset, samples=not args.data), given)
    settings = base = experiment.preset(preset, from_scratch, samples=not args.data)
    if settings.schedule.steps and given.get("steps"):
        for phase in ("warm_start", "first_steps"):
            given.setdefault(phase, getattr(settings.schedule, phase) * given["steps"] // settings.schedule.steps)
    if study:
        choice = choice or study.default
        settings = settings.replace(**study.choices[study.default if choice == ALL else choice])
    settings = settings.replace(**given).check()
    if given.get("lr_noise") and settings.data.degradation != "none":
        raise UserError(f"--degradation {settings.data.degradation} draws its own noise; leave out --lr-noise")
    _check_first_stage(experiment, preset, settings, args)
    if choice != ALL:
        _check_single(study, args)
    paths = _paths(args)
    if preset == "quick" and not from_scratch:
        paths["start"] = paths["start"] or experiment.start
    kept = {"experiment": experiment.name, "choice": choice, "settings": settings, **paths}
    if choice == ALL:
        kept["settings"] = _variants(experiment, base, given, args)
    return Request(preset, out=_new_folder(experiment, args), resume=False, **kept)


def _check_processes(args):
    """Check the options of several processes, which have to agree on a run before they can talk to each other."""
    named = {f"--{name}": getattr(args, name) for name in ("processes", "process", "coordinator")}
    missing = [name for name, value in named.items() if value is None]
    if len(missing) == len(named):
        return
    if missing:
        raise UserError(f"--processes, --process and --coordinator go together; give {' and '.join(missing)}, too")
    if args.process >= args.processes:
        raise UserError(
            f"--process {args.process} of {args.processes}: numbers from 0 to {args.processes - 1} are expected"
        )
    host, _, port = args.coordinator.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise UserError(f"--coordinator {args.coordinator} is not HOST:PORT, such as 10.0.0.1:1234")
    if not args.out:
        raise UserError("several processes need one folder that all of them see; name it with --out")
    if args.precision == "auto":
        raise UserError("--precision auto could differ between the processes; name the precision")


def _has_own_network(quick, given):
    """Tell whether options ask for another network than that of the weights that the quick preset starts from."""
    asked, theirs = (settings.pick("scale", *NETWORK) for settings in (quick.replace(**given), quick))
    return asked != theirs


def _check_first_stage(experiment, preset, settings, args):
    """Check the first stage before 70,000 photographs are prepared for nothing."""
    embedded = experiment.first_samples and preset == "quick"
    steps = settings.schedule.first_steps
    for name, asked in (("--first-data", args.first_data), ("--first-hr-size", args.first_hr)):
        if asked and not steps:
            raise UserError(f"{name} is for a first stage, and this run has none: add --first-steps N, or leave it out")
    if steps and not (args.first_data or embedded or args.dry_run):
        raise UserError(f"--first-steps {steps} needs photographs to begin with: --first-data DIR")


def _check_single(study, args):
    """Refuse the options of a study where only one of its runs, or a script without a study, is asked for."""
    for name, option in {"seeds": "--seeds", "learning_rates": "--learning-rates", "people": "--people-data"}.items():
        if getattr(args, name, None) is not None:
            raise UserError(f"{option} is for --{study.option} {ALL}; add that, or leave {option} out")


def _variants(experiment, base, given, args):
    """Return the `Settings` of every run of a study, by name of its folder."""
    study, variants = experiment.study, {}
    seeds = study.seeds if getattr(args, "seeds", None) is None else args.seeds
    decided = set().union(*study.choices.values())
    if clash := sorted(decided & set(given)):
        raise UserError(f"--{study.option} {ALL} decides {flag(FIELDS[clash[0]])}; leave it out")
    rates = _rates(study, given, args)
    every = {name: base.replace(**{**changes, **given}).check() for name, changes in study.choices.items()}
    if len(rates) == 1:
        every = {name: settings.replace(learning_rate=rates[0]).check() for name, settings in every.items()}
    else:
        for name, settings in every.items():
            for rate in rates:
                half = settings.replace(learning_rate=rate, **_half(settings.schedule))
                variants[f"{study.option}-{name}{RATE}{rate:g}"] = half.check()
    for name, settings in every.items():
        for seed in range(seeds or 1):
            folder = f"{study.option}-{name}" + (f"-seed{settings.schedule.seed + seed}" if seeds else "")
            variants[folder] = settings.replace(seed=settings.schedule.seed + seed).check()
    return variants


def _rates(study, given, args):
    """Return the learning rates that every choice of a study tries first."""
    asked = getattr(args, "learning_rates", None)
    if "learning_rate" in given:
        if asked:
            raise UserError("--learning-rate and --learning-rates exclude each other; leave one out")
        return ()
    return tuple(dict.fromkeys(asked or study.rates or ()))


def _half(schedule):
    """Return the settings of a run that is half as long."""
    return {
        name: max(1, value // 2)
        for name in ("steps", "epochs", "warm_start", "first_steps")
        if (value := getattr(schedule, name))
    }


def _paths(args):
    """Return {name in `PATHS`: absolute path, name of a set or of weights that ship, or None}."""
    paths = {name: _absolute(getattr(args, name, None)) for name in PATHS}
    paths |= {name: location(given) for name in ("data", "first_data") if (given := getattr(args, name))}
    if args.start:
        paths["start"] = args.start if is_weights_name(args.start) or is_remote(args.start) else paths["start"]
    return paths


def _absolute(path):
    """Return the absolute path, so that a run can be resumed from another folder."""
    return str(Path(path).resolve()) if path else None


def _new_folder(experiment, args):
    if args.out:
        folder = Path(args.out)
        if not args.dry_run and not args.process and folder.is_dir() and any(folder.iterdir()):
            there = "go on with its run by --resume" if was_begun(folder) else "it holds no run"
            raise UserError(f"{folder} is not empty ({there}); choose another --out")
        return folder
    return next_free(Path("runs", experiment.name))


def _resumed(experiment, args, given, choice):
    folder = Path(args.out) if args.out else _newest(experiment)
    if (folder / STUDY).exists():
        saved = read_study(folder)
        check_experiment(experiment, saved.experiment, folder)
        asked = [given, args.preset, args.data, args.first_data, args.start]
        asked += [getattr(args, name, None) for name in ("seeds", "learning_rates", "from_scratch")]
        if any(asked) or choice not in (None, ALL):
            raise UserError(f"{folder} holds several runs; resume them as they were begun, without other options")
        return replace(saved, people=_absolute(getattr(args, "people", None)) or saved.people)
    saved = read_config(folder)
    check_experiment(experiment, saved.experiment, folder)
    _check_single(experiment.study, args)
    settings = saved.settings
    named = {"preset": args.preset, "choice": choice}
    named |= _paths(args)
    asked = {**given, **{name: value for name, value in named.items() if value}}
    was = {**settings.flat, **{name: getattr(saved, name) for name in named}}
    if getattr(args, "from_scratch", False) and saved.start:
        raise UserError(f"{folder} was started from {saved.start}; resume without --from-scratch")
    free = {name: value for name, value in given.items() if FIELDS[name].metadata["option"].free}
    changed = [f"{n} {words(was[n])} -> {words(v)}" for n, v in asked.items() if was[n] != v and n not in free]
    if changed:
        raise UserError(f"{folder} was started with another configuration ({'; '.join(changed)}); resume without these")
    return replace(saved, settings=settings.replace(**free).check())


def _newest(experiment):
    configs = [path for name in ("config.json", STUDY) for path in Path("runs").glob(f"{experiment.name}*/{name}")]
    if not configs:
        raise UserError(f"there is no run of {experiment.name} to resume under runs/; name it with --out")
    return max(configs, key=lambda path: path.stat().st_mtime).parent
