"""Face verification: whether restoring helps a recognizer or harms it, as tables and sentences.

This module writes no files and draws no pictures.
"""

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.evaluate.measure import ITSELF, TARGET
from mpsrgan.evaluate.methods import BASELINE
from mpsrgan.evaluate.summary import NONE, difference, people_of
from mpsrgan.metrics.recognition import compare, make_pairs
from mpsrgan.metrics.roc import FARS
from mpsrgan.report.document import Table
from mpsrgan.report.table_ii import CHANGE, PEOPLE, PHOTOS, distance_table, distances, relative_change

GROUP_PEOPLE = 10
"""Number of people with two photographs that a group needs to be measured on its own."""


def comparisons(measured, photos, draws, baseline=BASELINE):
    """Compare all conditions by face verification.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.
        baseline: Name of the method that the others are compared with.

    Returns:
        {encoder: `Comparison`}.

    Raises:
        UserError: When nobody has two photographs.
    """
    who = np.array([photo.who for photo in photos])
    every = measured.codes.items()
    return {encoder: _compare(codes, who, _with_face(codes), draws, baseline) for encoder, codes in every}


def comparisons_or_why(measured, photos, draws, note, baseline=BASELINE):
    """Compare all conditions, or say why that cannot be done.

    Args:
        measured: As in `comparisons`.
        photos: As in `comparisons`.
        draws: As in `comparisons`.
        note: The reason if identity was not measured.
        baseline: As in `comparisons`.

    Returns:
        What `comparisons` returns, or nothing, and a sentence if it is nothing.
    """
    if not measured.codes:
        return {}, f"Identity was not measured: {note}."
    try:
        return comparisons(measured, photos, draws, baseline), ""
    except UserError as error:
        return {}, f"Verification was not measured: {error}."


def faceless(measured):
    """Count the photographs without a face.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.

    Returns:
        Their number, 0 if there are no encoders.
    """
    return next((np.count_nonzero(~_with_face(codes)) for codes in measured.codes.values()), 0)


def _with_face(codes):
    """Return on which photographs a face was found, bool (N,)."""
    return codes[ITSELF].any(axis=1)


def _compare(codes, who, chosen, draws, baseline=BASELINE):
    """Compare all conditions with the baseline on the chosen photographs."""
    conditions, people = {label: vectors[chosen] for label, vectors in codes.items()}, who[chosen]
    pairs = make_pairs(people, draws.impostors, draws.seed)
    return compare(conditions, conditions[ITSELF], pairs, people, baseline, rounds=draws.rounds, seed=draws.seed)


def table(encoder, comparison):
    """Make the table of how well the recognizer tells people apart under each condition.

    Args:
        encoder: Name of the encoder.
        comparison: Its `Comparison`.

    Returns:
        The `Table`.
    """
    first = next(iter(comparison.conditions.values())).verification
    rows = []
    for label, seen in comparison.conditions.items():
        change = _signed(seen.auc_change) if label not in (comparison.baseline, ITSELF, TARGET) else ""
        rows.append(
            (label, _estimate(seen.auc), _estimate(seen.eer), *(_estimate(seen.tar[far]) for far in FARS), change)
        )
    header = (
        "the probe is",
        "AUC ↑",
        "EER ↓",
        *(f"TAR at FAR {far:g} ↑" for far in FARS),
        f"AUC less {comparison.baseline}'s",
    )
    note = (
        f"{encoder}: {first.genuine:,} pairs of one person and {first.impostors:,} of two; the probe is held against "
        f"the other photograph itself. ± is half of the {comparison.level:.0%} interval over draws of the "
        f"{comparison.people} people."
    )
    return Table(f"Verification with {encoder}", header, rows, note)


def _estimate(found):
    return NONE if found is None else f"{found.value:.4f} ± {(found.high - found.low) / 2:.4f}"


def _signed(found):
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def answers(measured, comparisons, photos, draws):
    """Say whether restoring helps a recognizer or harms it.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        comparisons: {encoder: Comparison}, empty if verification was not measured.
        photos: List of `Photo`.
        draws: The `Draws`.

    Returns:
        A sentence for each method and encoder. Without comparisons, a sentence for each method on its identity alone.
            The list is empty where identity was not measured.
    """
    if comparisons:
        return [
            f"{encoder}: {answer(comparison, method)}"
            for encoder, comparison in comparisons.items()
            for method in measured.scores
            if method != comparison.baseline
        ]
    methods = [name for name in measured.scores if name != BASELINE] if measured.codes else []
    return [_identity_sentence(measured, method, photos, draws) for method in methods]


def _identity_sentence(measured, method, photos, draws):
    ours, bicubic = (measured.scores[name]["identity"] for name in (method, BASELINE))
    found = difference(ours, bicubic, people_of(photos), draws)
    if found is None:
        return f"Whether {method} brings faces nearer to the person is not known: no face was found."
    change, low, high = found
    effect = "nearer to" if low > 0 else "farther from" if high < 0 else "neither nearer to nor farther from"
    return (
        f"{method} brings faces {effect} the person than {BASELINE}: cosine {change:+.4f} "
        f"(95 % interval {low:+.4f} to {high:+.4f})."
    )


def answer(comparison, name):
    """Say in one sentence what a condition does to the recognizer.

    The sentence says "helps" or "harms" only if the interval of the AUC's change excludes 0.

    Args:
        comparison: Result of `compare`.
        name: Name of the condition.

    Returns:
        The sentence.
    """
    seen = comparison.conditions[name]
    change = seen.auc_change
    effect = "helps" if change.low > 0 else "harms" if change.high < 0 else "makes no measurable difference to"
    words = (
        f"Restoring with {name} {effect} the recognizer: AUC {change.value:+.4f} against {comparison.baseline} "
        f"({comparison.level:.0%} interval {change.low:+.4f} to {change.high:+.4f})"
    )
    told = [(far, tar) for far, tar in seen.tar_change.items() if tar is not None]
    if told:
        far, tar = min(told, key=lambda pair: pair[0])
        words += f", true accepts at FAR {far:g} {tar.value:+.4f} ({tar.low:+.4f} to {tar.high:+.4f})"
    return f"{words}."


def group_tables(measured, photos, draws):
    """Make a table of the AUC by group for each encoder.

    The pairs of a group are drawn within the group.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.

    Yields:
        A `Table` for each encoder, or nothing where no photograph has a group or no person is known. A group with fewer
            than `GROUP_PEOPLE` people with two photographs has no numbers.
    """
    groups = np.array([photo.group for photo in photos], object)
    if people_of(photos) is None or not any(groups):
        return
    who = np.array([photo.who for photo in photos])
    for encoder, codes in measured.codes.items():
        faces, rows = _with_face(codes), []
        for label in sorted({group for group in groups[faces] if group}):
            chosen = faces & (groups == label)
            cells = [NONE] * len(codes)
            if np.count_nonzero(np.unique(who[chosen], return_counts=True)[1] > 1) >= GROUP_PEOPLE:
                seen = _compare(codes, who, chosen, draws).conditions.values()
                cells = [_estimate(condition.auc) for condition in seen]
            rows.append((label, *cells))
        yield Table(f"AUC by group with {encoder}", ("group", *codes), rows, "Both people of a pair are in the group.")


def table_ii(measured, photos):
    """Make paper 003's Table II in its own form for each encoder.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.

    Yields:
        A `Table` for each encoder, or nothing where nobody has enough photographs.
    """
    people = {}
    for index, photo in enumerate(photos):
        if photo.person is not None:
            people.setdefault(photo.person, []).append(index)
    for encoder, codes in measured.codes.items():
        faces = _with_face(codes)
        known = {who: [i for i in rows if faces[i]] for who, rows in people.items()}
        known = {who: rows[:PHOTOS] for who, rows in known.items() if len(rows) >= PHOTOS}
        if not known:
            return
        rows = {
            who: {method: distances(codes[ITSELF][base], codes[method][others]) for method in measured.scores}
            for who, (base, *others) in list(known.items())[:PEOPLE]
        }
        changes = [f"{m} {relative_change(rows, BASELINE, m):+.1%}" for m in measured.scores if m != BASELINE]
        note = f"Mean distance against {BASELINE}: {', '.join(changes)}. " if changes else ""
        note += f"Paper 003 reports {CHANGE:+.0%} from its network 1 to its network 4, with FaceNet on {PEOPLE} people."
        yield distance_table(f"Table II of paper 003 with {encoder}, {measured.title}", rows, note)
