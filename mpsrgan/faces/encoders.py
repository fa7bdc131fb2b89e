"""Does a restored face still belong to its person? Encoders of identity, and paper 003's Table II.

Importing this package imports neither Keras nor OpenCV.
"""

from typing import Protocol

import numpy as np

from mpsrgan.errors import UserError


class Encoder(Protocol):
    """A network that turns a face into a vector: the closer two vectors, the more alike the faces.

    name: as in ENCODERS. size: of a vector. terms: licence of the weights, in a line. source: the file they were read
    from, for results.
    """

    name: str
    size: int
    terms: str
    source: str

    def encode(self, images):
        """uint8 (N, H, W, 3) RGB faces, already cropped and aligned, any H and W -> float32 (N, size), of length 1."""


def _sface():
    from mpsrgan.faces.sface import SFace

    return SFace()


def _facenet():
    from mpsrgan.faces.facenet import FaceNet

    return FaceNet()


ENCODERS = {"sface": _sface, "facenet": _facenet}
"""Name -> function that finds the weights and returns an Encoder. FaceNet is paper 003's; SFace can be downloaded."""


def load_encoder(name):
    """The Encoder of that name, ready to use. Raises: UserError for another name, or if its weights cannot be had."""
    if name not in ENCODERS:
        raise UserError(f"unknown face encoder {name!r}: use one of {', '.join(ENCODERS)}")
    return ENCODERS[name]()


def distances(encoder, base, others):
    """L2 distances, 0..2, from the encoding of `base` (H, W, 3) to those of `others` (N, H, W, 3) -> float32 (N,).

    Paper 003, section IV.B: "we measured L2 distance between the encoded images". All images are uint8 RGB; base and
    others may differ in size.
    """
    return np.linalg.norm(encoder.encode(others) - encoder.encode(np.asarray(base)[None]), axis=1)


def verification_table(encoder, people, networks, degrade=None):
    """Paper 003's Table II: how far restored photos of a person lie from that person's untouched photo.

    Args:
        people: {person: [base, photo, ...]}, uint8 (H, W, 3). The first stays as it is. The others, all of one size,
            are what the networks take, unless `degrade` makes it of them.
        networks: {name: function uint8 (N, h, w, 3) -> uint8 (N, H, W, 3)}.
        degrade: function uint8 (N, H, W, 3) -> uint8 (N, h, w, 3), or None if the others are low resolution already.
    Returns: {person: {network's name: [distance of image 1, of image 2, ...]}}.
    Raises: UserError for a person with fewer than two photos.
    """
    rows = {}
    for person, (base, *others) in people.items():
        if not others:
            raise UserError(f"{person} has one photo; at least two are needed, one of them as the base")
        lr = np.stack(others)
        lr = degrade(lr) if degrade else lr
        rows[person] = {name: distances(encoder, base, sr(lr)).tolist() for name, sr in networks.items()}
    return rows


def relative_change(rows, before, after):
    """Change of the mean distance from network `before` to network `after`; paper 003 reports -0.22 for 1 -> 4."""
    mean = lambda name: np.mean([distance for row in rows.values() for distance in row[name]])
    return float(mean(after) / mean(before) - 1)
