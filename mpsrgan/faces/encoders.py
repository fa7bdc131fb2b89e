"""Face encoders, which measure whether a restored face still shows the same person.

Importing this module imports neither Keras nor OpenCV.
"""

from typing import Protocol

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
