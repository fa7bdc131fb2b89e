"""The report of an evaluation: results.json, results.md, report.html, and the figures.

`mpsrgan.evaluate.scores` writes scores.csv beside them.

The texts are blocks of `mpsrgan.report.document`, which become Markdown and a web page.
"""

import time
from dataclasses import asdict

from data_prep.pairs import size_words
from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.evaluate import figures, summary, verification
from mpsrgan.evaluate.measure import TARGET
from mpsrgan.evaluate.methods import BASELINE
from mpsrgan.evaluate.photos import data_hash, upscaled
from mpsrgan.io import machine
from mpsrgan.io.atomic import write_json, write_text
from mpsrgan.io.console import say
from mpsrgan.report.document import Figure, Heading, Paragraph, Table, markdown, web_page

WARNING = "A restored face is a guess, never evidence: a network adds what faces usually have, not what this face had."


def facts(photos, draws, finder, encoders, methods):
    """Collect what was measured and how, for results.json.

    Args:
        photos: `Folder` or `Pairs`.
        draws: `mpsrgan.evaluate.summary.Draws`.
        finder: Finder of the part that the encoders see, or None without encoders.
        encoders: List of encoders.
        methods: List of methods.

    Returns:
        A dict of values that JSON can hold.
    """
    people = {photo.person for photo in photos.photos if photo.person}
    return {
        "title": f"Evaluation on {len(photos.photos)} photographs" + f" of {len(people)} people" * bool(people),
        "data": photos.words,
        "photographs": len(photos.photos),
        "people": len(people) or None,
        "hash": data_hash(photos.photos),
        "skipped": photos.skipped,
        "fit": photos.fit,
        "zoom": photos.zoom,
        "degradation": asdict(photos.degradation),
        "inputs": photos.degradation.words,
        "region": photos.region.words,
        "face": finder.words if encoders else None,
        "encoders": {encoder.name: encoder.source for encoder in encoders},
        "methods": {method.name: method.words for method in methods},
        "seed": draws.seed,
        "rounds": draws.rounds,
        "version": __version__,
        "machine": machine.words(),
        "date": time.strftime("%Y-%m-%d"),
    }


class Report:
    """Collects the measurements of each size, and writes everything at the end.

    Args:
        folder: Path of the folder to write to.
        photos: `Folder` or `Pairs`.
        methods: List of methods.
        draws: `mpsrgan.evaluate.summary.Draws`.
        facts: The result of the function `facts`.
        baseline: Name of the method that the others are compared with, pair by pair, or None.
    """

    def __init__(self, folder, photos, methods, draws, facts, baseline=None):
        self.folder, self.photos, self.methods, self.draws, self.facts = folder, photos, methods, draws, facts
        self.baseline = baseline
        self.blocks, self.sizes, self.measured, self.comparisons = [], [], [], []

    def add(self, measured, comparisons, note):
        """Add one size.

        Args:
            measured: The `mpsrgan.evaluate.measure.Measured` of this size.
            comparisons: {encoder: Comparison}, empty if there are none.
            note: The reason if there are no comparisons.

        Returns:
            The means with their intervals, the answers, and the tables of differences and by group, all as
                `mpsrgan.evaluate.summary` makes them.
        """
        means = summary.intervals(measured, self.photos.photos, self.draws)
        where = f"{size_words(measured.lr)}-{size_words(measured.hr)}"
        self.blocks.append(Heading(f"From {measured.title}"))
        if count := upscaled(self.photos, measured.hr):
            text = f"{count} of {len(self.photos.photos)} photographs are smaller than {size_words(measured.hr)} pixels"
            text += " and were upscaled to make the truth. That flatters every method; give a smaller --lr-size."
            say(f"note: {text}")
            self.blocks.append(Paragraph(text))
        told = verification.answers(measured, comparisons, self.photos.photos, self.draws)
        self.blocks += [Paragraph(sentence, answer=True) for sentence in told]
        self.blocks.append(summary.score_table(measured, means))
        differences = self._differences(measured)
        tables = [summary.difference_table(measured, differences, self.baseline)] if differences else []
        self.blocks += tables
        self.blocks.append(self._figure(f"scores-{where}", "Means and 95 % intervals.", figures.draw_scores, means))
        for encoder, comparison in comparisons.items():
            self.blocks.append(verification.table(encoder, comparison))
            caption = f"ROC with {encoder}, {measured.title}. Dotted: no method."
            self.blocks.append(self._figure(f"roc-{encoder}-{where}", caption, figures.draw_roc, encoder, comparison))
        if note:
            self.blocks.append(Paragraph(note))
        self.blocks += verification.table_ii(measured, self.photos.photos)
        table = summary.group_table(measured, self.photos.photos, self.draws)
        groups = [*filter(None, [table]), *verification.group_tables(measured, self.photos.photos, self.draws)]
        self.blocks += groups
        self.blocks += filter(None, [summary.invention_table(measured)])
        self.blocks += self._faces(measured, where)
        self._keep(measured, means, differences, comparisons, told)
        return means, told, tables + groups

    def _differences(self, measured):
        if self.baseline is None:
            return {}
        return summary.differences(measured, self.photos.photos, self.draws, self.baseline)

    def _figure(self, name, caption, draw, *arguments):
        """Draw a figure. Return its block, or a paragraph if it fails: a figure must not take the numbers with it."""
        try:
            draw(self.folder / "figures" / f"{name}.png", *arguments)
        except UserError:  # it cannot be written, so that the report cannot be either
            raise
        except Exception as error:
            words = f"The figure {name} could not be drawn: {error}"
            say(words)
            return Paragraph(words)
        return Figure(f"figures/{name}.png", caption)

    def _faces(self, measured, where):
        for method in self.methods:
            if method.name == BASELINE and len(self.methods) > 1:
                continue
            metric, _ = figures.chosen_faces(measured.scores[method.name])
            words = f"best, median and worst face by {summary.metric_of(metric).label}"
            caption = f"{method.name}: {words}, {measured.title}."
            name = f"faces-{_plain(method.name)}-{where}"
            yield self._figure(name, caption, figures.draw_faces, method, self.photos, measured)

    def _keep(self, measured, means, differences, comparisons, told):
        self.measured.append(measured)
        self.comparisons.append(comparisons)
        compared = {encoder: asdict(comparison) for encoder, comparison in comparisons.items()}
        size = {"lr": measured.lr, "hr": measured.hr, "scores": _named(means)}
        size |= {"differences": {"baseline": self.baseline, **_named(differences)}} if differences else {}
        self.sizes.append({**size, "verification": compared, "answers": told})

    def write(self):
        """Write all files. results.json comes last, so that its presence shows that the others are complete."""
        blocks = [*self._opening(), *self._by_size(), *self.blocks, *self._closing()]
        title = self.facts["title"]
        write_text(self.folder / "results.md", markdown(title, blocks))
        write_text(self.folder / "report.html", web_page(title, blocks, self.folder))
        write_json(self.folder / "results.json", {**self.facts, "sizes": self.sizes})

    def _opening(self):
        facts = self.facts
        yield Paragraph(f"{facts['data']}. Inputs: {facts['inputs']}. Scored: {facts['region']}.")
        yield Table("Methods", ("", "what"), [(name, words) for name, words in facts["methods"].items()])
        if facts["encoders"]:
            used = "; ".join(f"{name} ({source})" for name, source in facts["encoders"].items())
            yield Paragraph(f"Identity by {used}, which sees {facts['face']}.")

    def _by_size(self):
        """Draw the AUC against the size of the input, where several sizes were measured."""
        if len(self.sizes) < 2:
            return
        for encoder in self.comparisons[0]:
            seen = [comparisons[encoder].conditions for comparisons in self.comparisons]
            labels = [label for label in seen[0] if label != TARGET]
            estimates = {label: [conditions[label].auc for conditions in seen] for label in labels}
            lrs = [measured.lr for measured in self.measured]
            caption = f"AUC with {encoder} against the size of the input, with 95 % intervals."
            yield self._figure(f"sizes-{encoder}", caption, figures.draw_sizes, lrs, encoder, estimates)

    def _closing(self):
        facts = self.facts
        yield Heading("How it was measured")
        yield summary.metric_words(self.sizes[0]["scores"])
        cut = "" if facts["zoom"] == 1 else f", after a cut to the central {facts['zoom']:g} of each side"
        lines = [
            f"Photographs fitted by {facts['fit']}{cut}. Inputs: {facts['inputs']}.",
            f"Hash of the photographs: {facts['hash']}. Skipped files: {len(facts['skipped'])}.",
            f"Intervals: {facts['rounds']} rounds, seed {facts['seed']}. mpsrgan {facts['version']}, "
            f"{facts['machine']}, {facts['date']}.",
        ]
        yield from map(Paragraph, lines)
        yield Paragraph(WARNING, answer=True)


def _named(found):
    """Turn {method: {metric: (mean, low, high) or None}} into dictionaries."""
    return {
        method: {name: dict(zip(("mean", "low", "high"), each)) if each else None for name, each in row.items()}
        for method, row in found.items()
    }


def _plain(name):
    """Make a method's name safe as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
