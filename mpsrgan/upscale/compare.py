"""Pictures that show an input and its result side by side."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mpsrgan.io.images import resize
from mpsrgan.upscale.invention import NARROWEST


def side_by_side(lr, sr):
    """Draw the input, upscaled by the bicubic filter, on the left and the result on the right.

    The caption is left out where it would not fit.

    Args:
        lr: The input, uint8 (h, w, 3).
        sr: The result, uint8 (H, W, 3).

    Returns:
        uint8 array (H + caption, 2 W + gap, 3).
    """
    height, width = sr.shape[:2]
    gap = np.full((height, max(2, width // 100), 3), 255, np.uint8)
    pair = np.concatenate([resize(lr, (height, width)), gap, sr], axis=1)
    if width < 2 * NARROWEST:
        return pair
    size = min(max(11, width // 24), 48)
    caption = Image.new("RGB", (pair.shape[1], 2 * size), "white")
    draw, font = ImageDraw.Draw(caption), ImageFont.load_default(size)
    texts = f"input, {lr.shape[1]}x{lr.shape[0]}", "result: detail is a guess"
    for left, text in zip((0, width + gap.shape[1]), texts):
        draw.text((left + width // 2, size), text, "black", font, anchor="mm")
    return np.concatenate([np.asarray(caption), pair])
