"""One photograph to one training pair. Source: paper 000 (MPSRGAN), section 5, the "image processor"."""

from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.images import MAX_PIXELS, resize

HR_FILTER = "lanczos"
LR_FILTER = "bicubic"
HASH_SIDE = 16


def pad_to_square(image):
    """RGB Pillow image (W, H) -> RGB Pillow image (side, side), side = max(W, H), centred on black.

    An odd rest goes to the right or to the bottom. The paper does not say where the borders go; we centre the
    picture, because a face stays in the middle that way.
    """
    side = max(image.size)
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def photo_area(width, height, hr):
    """Where a photograph of width x height lies in its target: (rows, columns) as slices, without its black borders.

    Whole pixels only: those that the borders touch are left out. Never empty.
    """
    side, slices = max(width, height), []
    for length in (height, width):
        start = (side - length) // 2
        first = min(-(-start * hr // side), hr - 1)
        slices.append(slice(first, max((start + length) * hr // side, first + 1)))
    return tuple(slices)


def make_pair(image, hr=256, lr=64):
    """RGB Pillow image of any size -> (hr, lr): uint8 arrays (hr, hr, 3) and (lr, lr, 3) in 0..255.

    The paper does not say which filter resizes; we use Lanczos, the sharpest of Pillow's antialiased ones, for the
    target. Nor does it say what the input is made from; we reduce the target itself, by Pillow's antialiased bicubic,
    so that both agree pixel by pixel and the reduction is the usual one. UserError when lr does not divide hr.
    """
    check_sizes(hr, lr)
    side = max(image.size)
    if side**2 > MAX_PIXELS:  # a long strip, whose square would not fit into memory
        image = image.resize([max(1, round(length * 4 * hr / side)) for length in image.size], Image.Resampling.LANCZOS)
    target = resize(pad_to_square(image), (hr, hr), HR_FILTER)
    return target, reduce(target, lr)


def check_sizes(hr, lr):
    """UserError unless lr >= 1 divides hr."""
    if lr < 1 or hr < 1 or hr % lr:
        raise UserError(f"hr {hr} with lr {lr}: hr must be a multiple of lr, such as 256 with 64")


def reduce(target, lr):
    """uint8 (hr, hr, 3) -> uint8 (lr, lr, 3): the one reduction that makes inputs from targets."""
    return resize(target, (lr, lr), LR_FILTER)


def difference_hash(target):
    """uint8 (hr, hr, 3) -> bool (256,): is each cell of a 16x17 gray thumbnail brighter than the next one?

    Survives re-encoding, resizing and brightening; see ``split.near_duplicate_groups``. A mirror image has another.
    """
    gray = Image.fromarray(target).convert("L")
    cells = resize(gray, (HASH_SIDE, HASH_SIDE + 1), "bilinear")
    return (cells[:, :-1] > cells[:, 1:]).ravel()
