"""Face encoders, which measure whether a restored face still shows the same person, and Table II of paper 003.

Importing this module imports neither Keras nor OpenCV.
"""

from typing import Protocol

import numpy as np

from mpsrgan.errors import UserError


class Encoder(Protocol):
    """A network that turns a face into a vector.

    The closer two vectors are, the more alike the faces are.

    Attributes:
        name: Name of the encoder, a key of `ENCODERS`.
        size: Length of a vector.
        terms: License of the weights, in one line.
        source: File that the weights were read from, for reports.
    """

    name: str
    size: int
    terms: str
    source: str

    def encode(self, images):
        """Encode faces.

        Args:
            images: uint8 RGB faces (N, H, W, 3), already cropped and aligned, of any H and W.

        Returns:
            float32 array (N, size), whose rows have length 1.
        """


def _sface():
    from mpsrgan.faces.sface import SFace

    return SFace()


def _facenet():
    from mpsrgan.faces.facenet import FaceNet

    return FaceNet()


ENCODERS = {"sface": _sface, "facenet": _facenet}
"""Functions by name, each of which finds the weights and returns an `Encoder`. Paper 003 uses FaceNet. SFace can be
downloaded."""


def load_encoder(name):
    """Load a face encoder.

    Args:
        name: A key of `ENCODERS`.

    Returns:
        The `Encoder`, ready to use.

    Raises:
        UserError: When the name is unknown, or the weights are not available.
    """
    if name not in ENCODERS:
        raise UserError(f"unknown face encoder {name!r}: use one of {', '.join(ENCODERS)}")
    return ENCODERS[name]()


def distances(encoder, base, others):
    """Measure how far the encodings of faces are from the encoding of one face.

    Args:
        encoder: An `Encoder`.
        base: uint8 RGB image (H, W, 3).
        others: uint8 RGB images (N, H, W, 3), which may differ in size from `base`.

    Returns:
        float32 array (N,) of L2 distances, each in 0..2.

    Source: paper 003, section IV.B: "we measured L2 distance between the encoded images".
    """
    return np.linalg.norm(encoder.encode(others) - encoder.encode(np.asarray(base)[None]), axis=1)


def verification_table(encoder, people, networks, degrade=None):
    """Compute Table II of paper 003, the distances of restored photographs from an untouched one.

    Every photograph of a person is compared with that person's first photograph.

    Args:
        encoder: An `Encoder`.
        people: {person: [base, photo, ...]}, each a uint8 array (H, W, 3). The base stays as it is. The others all have
            one size. They are the lr images that the networks take, unless `degrade` makes these from them.
        networks: {name: function}. Each function maps uint8 (N, h, w, 3) to uint8 (N, H, W, 3).
        degrade: Function that maps uint8 (N, H, W, 3) to uint8 (N, h, w, 3), or None if the others are lr images
            already.

    Returns:
        {person: {name of the network: [distance of image 1, distance of image 2, ...]}}.

    Raises:
        UserError: When a person has fewer than two photographs.
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
    """Compute the relative change of the mean distance from one network to another.

    Paper 003 reports -0.22 from its network 1 to its network 4.

    Args:
        rows: What `verification_table` returns.
        before: Name of the first network.
        after: Name of the second network.

    Returns:
        The change, as a share of the mean distance of the first network. Below 0 means closer to the person.
    """
    mean = lambda name: np.mean([distance for row in rows.values() for distance in row[name]])
    return float(mean(after) / mean(before) - 1)
