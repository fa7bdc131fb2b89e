"""Invention: how much of a restored face its input does not determine, measured without the truth.

What an input determines stays the same when the input is rotated by rot90 or mirrored. So the network restores the
input in all 8 orientations. The 7 other answers are rotated back and compared with the one that is shown. Where they
differ, the network decided and not the input.

Source: the 8 orientations are those of Timofte et al. 2016, "Seven ways to improve example-based single image super
resolution", who average the answers.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mpsrgan.errors import UserError

OTHER_WAYS = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)][1:]
"""Number of rot90 steps, and whether the picture is then mirrored: all orientations except the original."""
FULL = 32
"""Gray levels from which `overlay` shows its last color."""
NARROWEST = 64
"""Width in pixels below which there is no room for a legend."""


def invention_map(lr, upscale, sr=None):
    """Measure for each pixel how far the 7 other answers are from the one that is shown.

    The map shows only what the answers disagree on. It cannot show what the network gets wrong in the same way in all
    orientations, such as a lost scar or glasses, so low numbers prove nothing. A method that treats all directions
    alike (nearest neighbor, bicubic, the mean of the 8 answers) gets 0 apart from rounding, however poor it is.

    Args:
        lr: What the network was given, uint8 or uint16 (H, W, 3) or (H, W), or a Pillow image of mode RGB or L.
        upscale: Function that maps (H, W[, 3]) to (sH, sW[, 3]) of the same type for any H and W, such as an
            `Upscaler`.
        sr: The picture that is shown, upscale(lr), or None to compute it.

    Returns:
        float32 array (sH, sW) in levels of the type, 0..255 or 0..65535: the root mean square over the 7 answers and
            the channels. It is 0 where all agree.

    Raises:
        UserError: When the answers differ in size.
    """
    lr = np.asarray(lr)
    sr = np.atleast_3d(upscale(lr) if sr is None else sr)
    squares = np.zeros(sr.shape[:2], np.float32)
    for quarters, mirrored in OTHER_WAYS:
        answer = np.atleast_3d(_oriented_back(upscale(_oriented(lr, quarters, mirrored)), quarters, mirrored))
        if answer.shape != sr.shape:
            raise UserError(
                f"the network made {sr.shape} from the picture, but {answer.shape} from the rotated picture; one that "
                "upscales both sides of any picture by the same factor was expected"
            )
        for channel in range(sr.shape[2]):  # one at a time, to save memory on large pictures
            squares += np.square(answer[..., channel] - sr[..., channel].astype(np.float32))
    return np.sqrt(squares / (len(OTHER_WAYS) * sr.shape[2]))


def invention(levels):
    """Compute the root mean square of an `invention_map`, which has the same limits.

    Args:
        levels: float (H, W), what `invention_map` returned.

    Returns:
        A float in levels of 0..255.
    """
    return float(np.sqrt(np.mean(np.square(levels, dtype=np.float64))))


def overlay(sr, levels):
    """Draw an `invention_map` in color over the picture in darkened gray.

    The scale is fixed, so that pictures can be compared. It goes from no color at 0 through red and orange to a pale
    yellow from `FULL` levels on.

    Args:
        sr: uint8 (H, W, 3) or (H, W), or a Pillow image.
        levels: float (H, W), in levels of 0..255.

    Returns:
        uint8 array (H, W, 3).
    """
    sr = Image.fromarray(np.asarray(sr)).convert("L")
    result = np.empty((sr.height, sr.width, 3), np.uint8)
    for top in range(0, sr.height, 256):  # in strips, to save memory on large pictures
        gray = np.asarray(sr.crop((0, top, sr.width, min(top + 256, sr.height))), np.float32)
        result[top : top + 256] = _colored(gray, levels[top : top + 256])
    return result


def legend(width):
    """Draw what the colors of `overlay` mean, to be put below it.

    Args:
        width: Width in pixels.

    Returns:
        uint8 array (h, width, 3), where h is 0 for a width below `NARROWEST`.
    """
    if width < NARROWEST:
        return np.zeros((0, width, 3), np.uint8)
    size = min(max(10, width // 24), 64)
    font = ImageFont.load_default(size)
    image = Image.new("RGB", (width, 2 * size), "white")
    draw = ImageDraw.Draw(image)
    ends = f"{FULL}+ levels" if width >= 4 * NARROWEST else f"{FULL}+"
    left, right = (round(font.getlength(text)) + size for text in ("0", ends))
    draw.text((size // 2, size), "0", "black", font, anchor="lm")
    draw.text((width - size // 2, size), ends, "black", font, anchor="rm")
    share = np.tile(np.linspace(0, 1, width - left - right), (size, 1))
    strip = overlay(np.full(share.shape, 128, np.uint8), share * FULL)
    image.paste(Image.fromarray(strip), (left, size // 2))
    return np.array(image)


def _colored(gray, levels):
    from matplotlib import colormaps

    gray, share = 0.65 * gray[..., None], np.clip(levels / FULL, 0, 1)
    color = 255 * colormaps["inferno"](0.4 + 0.6 * share)[..., :3]
    opacity = 0.9 * np.minimum(1, 1.5 * share)[..., None]
    return np.rint(gray + opacity * (color - gray)).astype(np.uint8)


def _oriented(image, quarters, mirrored):
    image = np.rot90(image, quarters)
    return np.ascontiguousarray(image[:, ::-1] if mirrored else image)


def _oriented_back(image, quarters, mirrored):
    return np.rot90(image[:, ::-1] if mirrored else image, -quarters)
