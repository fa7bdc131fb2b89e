"""What identity is measured with: the face encoders, and the part of a photograph that they see."""

from mpsrgan.errors import UserError
from mpsrgan.faces.encoders import load_encoder
from mpsrgan.io.console import say

ALIGNED = "aligned"


def open_encoders(names):
    """Open the face encoders. Encoders that were asked for must be available. The default encoder may be missing.

    Args:
        names: Values of --encoder, or None.

    Returns:
        The list of encoders, and the reason if there are none.

    Raises:
        UserError: When one that was asked for is not available.
    """
    if names and "none" in names:
        return [], "--encoder none was given"
    try:
        return [load_encoder(name) for name in dict.fromkeys(names or ("sface",))], ""
    except UserError as error:
        if names:
            raise
        say(f"going on without identity: {error}")
        return [], str(error)


def face_argument(text):
    """Read --face.

    Args:
        text: Value of --face, or None.

    Returns:
        A share of each side, `ALIGNED`, or None.

    Raises:
        UserError: When it is anything else.
    """
    if text in (None, ALIGNED):
        return text
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise UserError(f"--face {text}: expected a share of each side above 0 and up to 1, or {ALIGNED}")
    return share


def open_finder(face, photos):
    """Open the finder of the part that encoders see. Alignment may be missing unless it was asked for.

    Args:
        face: What `face_argument` returns.
        photos: `Folder` or `Pairs` of `mpsrgan.evaluate.photos`.

    Returns:
        The finder, of `mpsrgan.faces.detect`.

    Raises:
        UserError: When faces cannot be aligned and that was asked for.
    """
    from mpsrgan.faces import detect

    if face not in (None, ALIGNED):
        return detect.Central(face)
    try:
        return detect.Aligned()
    except UserError as error:
        if face:
            raise
        say(f"going on without aligning faces: {error}")
        return detect.Central(photos.face)
