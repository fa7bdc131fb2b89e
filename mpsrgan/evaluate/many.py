"""Records of an evaluation as JSON, and their measurement in worker processes."""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.evaluate.measure import Job, Measurer
from mpsrgan.evaluate.photos import Photo
from mpsrgan.faces.encoders import load_encoder
from mpsrgan.metrics.judges import open_judge
from mpsrgan.scale.ray import DIED


def to_json(record):
    """Return a record of `mpsrgan.evaluate.measure.Measurer` as JSON can hold it, without a loss.

    Args:
        record: The record.

    Returns:
        The same dict with texts in place of the codes.
    """
    codes = {
        encoder: {label: np.asarray(code, "<f4").tobytes().hex() for label, code in by_label.items()}
        for encoder, by_label in record["codes"].items()
    }
    return record | {"codes": codes}


def from_json(item):
    """Return the record of which `to_json` made this.

    Args:
        item: The dict.

    Returns:
        The record.
    """
    codes = {
        encoder: {label: np.frombuffer(bytes.fromhex(text), "<f4") for label, text in by_label.items()}
        for encoder, by_label in item["codes"].items()
    }
    return item | {"codes": codes}


@dataclass(frozen=True)
class Recipe:
    """What another process needs to make the same `Measurer`.

    Attributes:
        photos: Function without parameters that opens the photographs.
        region: The part that is scored.
        methods: Functions without parameters that make the methods.
        encoders: Names of the encoders.
        share: The finder if it is `mpsrgan.faces.detect.Central`. None stands for `Aligned`.
        judges: Names of the further measures.
        images: Folder of the images, or None.
    """

    photos: object
    region: object
    methods: list
    encoders: list
    share: object
    judges: list
    images: object

    @classmethod
    def of(cls, measurer):
        """Write down how a measurer was made.

        Args:
            measurer: The `Measurer`.

        Returns:
            The recipe.
        """
        from mpsrgan.faces.detect import Central  # here, because it imports OpenCV

        return cls(
            measurer.photos.elsewhere(),
            measurer.photos.region,
            [method.elsewhere() for method in measurer.methods],
            [encoder.name for encoder in measurer.encoders],
            measurer.finder if isinstance(measurer.finder, Central) else None,
            list(measurer.judges),
            measurer.images and measurer.images.absolute(),
        )

    def open(self):
        """Make the measurer.

        Returns:
            The `Measurer`.
        """
        from mpsrgan.faces.detect import Aligned

        photos = self.photos()
        photos.region = self.region
        methods = [make() for make in self.methods]
        encoders = [load_encoder(name) for name in self.encoders]
        finder = (self.share or Aligned()) if encoders else None
        measurer = Measurer(photos, methods, encoders, finder, {name: open_judge(name) for name in self.judges})
        measurer.images = self.images
        return measurer


def worker(recipe):
    """Return what a worker process does with each job.

    Args:
        recipe: The `Recipe`.

    Returns:
        A function from a job as JSON to its record as JSON, or to {"error": reason}.
    """
    measure = recipe.open()

    def do(item):
        photo, lr, hr, *rest = item
        job = Job(Photo(**photo), tuple(lr), tuple(hr), *rest)
        try:
            return to_json(measure(job))
        except UserError as error:
            return {"error": str(error)}
        except Exception as error:
            return {"error": f"{job.photo.source}: internal error: {type(error).__name__}: {error}"}

    return do


def measure_many(measurer, jobs, spread):
    """Measure in worker processes.

    Args:
        measurer: The `Measurer` of this process.
        jobs: List of `Job`.
        spread: As `mpsrgan.scale.ray.spread`.

    Yields:
        The records, in the order of the jobs.

    Raises:
        UserError: When a job fails, as in `Measurer`, or each worker that took it died.
    """
    items = [[asdict(job.photo), *job[1:]] for job in jobs]
    waiting, due = {}, 0
    for index, result in spread(partial(worker, Recipe.of(measurer)), items, gpu=True):
        waiting[index] = result or {"error": f"{jobs[index].photo.source}: {DIED}"}
        while due in waiting:
            result = waiting.pop(due)
            if "error" in result:
                raise UserError(result["error"])
            yield from_json(result)
            due += 1
