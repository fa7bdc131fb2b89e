"""Before and after in one picture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mpsrgan.io.images import resize
from mpsrgan.upscale.invention import NARROWEST


def side_by_side(lr, sr):
    """The input enlarged by the bicubic filter, left, and the result -> uint8 (H + caption, 2 W + gap, 3).

    Args: lr: uint8 (h, w, 3). sr: uint8 (H, W, 3). There is no caption where it would not fit.
    """
    height, width = sr.shape[:2]
    gap = np.full((height, max(2, width // 100), 3), 255, np.uint8)
    pair = np.concatenate([resize(lr, (height, width)), gap, sr], axis=1)
    if width < 2 * NARROWEST:
        return pair
    size = min(max(11, width // 24), 48)
    caption = Image.new("RGB", (pair.shape[1], 2 * size), "white")
    draw, font = ImageDraw.Draw(caption), ImageFont.load_default(size)
    texts = f"input, {lr.shape[1]}x{lr.shape[0]}", "restored: detail is a guess"
    for left, text in zip((0, width + gap.shape[1]), texts):
        draw.text((left + width // 2, size), text, "black", font, anchor="mm")
    return np.concatenate([np.asarray(caption), pair])
