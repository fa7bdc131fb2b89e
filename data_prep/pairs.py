"""One photograph to one training pair. Source: paper 000 (MPSRGAN), section 5, the "image processor".

A size is (height, width) in pixels everywhere; where one comes from outside, an int stands for a square.
"""

from PIL import Image

from data_prep.degrade import Degradation
from mpsrgan.errors import UserError
from mpsrgan.io.images import resize
from mpsrgan.io.reading import MAX_PIXELS

HR_FILTER = "lanczos"
HASH_SIDE = 16
FITS = ("pad", "crop", "stretch")
DECODED = 4


def make_pair(image, hr=256, lr=64, *, fit="pad", zoom=1.0, degradation=Degradation(), rng=None):
    """RGB Pillow image of any size -> (hr, lr): uint8 arrays (H, W, 3) and (h, w, 3) in 0..255.

    ``hr``, ``lr``: side or (height, width). ``zoom``: the share of each side, in (0, 1], that is kept of the middle
    before all else, for data sets with wide margins. ``fit``: how a photograph of another shape becomes hr:

    - "pad": whole, centred on black that fills it up to hr's aspect ratio (paper 000, section 5).
    - "crop": the largest window of hr's aspect ratio in its middle. Papers 001 to 004 do not say what becomes of
      other shapes; crop suits them, because their data sets have the face in the middle and no borders.
    - "stretch": whole, both directions resized by themselves.

    The paper does not say which filter resizes; we use Lanczos, the sharpest of Pillow's antialiased ones, for the
    target. Nor does it say what the input is made from; we degrade the target itself, so that both agree pixel by
    pixel. ``rng``: numpy Generator for a ``degradation`` with noise.

    UserError unless hr is the same whole multiple of lr in both directions, and for an unknown fit or zoom.
    """
    hr, lr = as_size(hr), as_size(lr)
    scale_of(hr, lr)
    check_fit(fit, zoom)
    target = _target(image, hr, fit, zoom)
    return target, degradation(target, lr, rng)


def photo_area(width, height, hr, fit="pad", zoom=1.0):
    """Where a photograph of width x height lies in its target: (rows, columns) as slices, without black borders.

    Whole pixels only: those that the borders touch are left out. Never empty. Everything unless ``fit`` is "pad".
    """
    hr = as_size(hr)
    if fit != "pad":
        return tuple(slice(0, length) for length in hr)
    whole, slices = used_size(width, height, hr, fit, zoom)[::-1], []
    for length, side, target in zip(_zoomed(width, height, zoom)[::-1], whole, hr):
        start = (side - length) // 2
        first = min(-(-start * target // side), target - 1)
        slices.append(slice(first, max((start + length) * target // side, first + 1)))
    return tuple(slices)


def used_size(width, height, hr, fit="pad", zoom=1.0):
    """(width, height) of what is resized to hr, in pixels of a photograph of width x height: borders included."""
    width, height = _zoomed(width, height, zoom)
    if fit == "stretch":
        return width, height
    of_height, of_width = round(height * hr[1] / hr[0]), round(width * hr[0] / hr[1])
    if fit == "pad":
        return max(width, of_height), max(height, of_width)
    return min(width, max(1, of_height)), min(height, max(1, of_width))


def decode_factor(width, height, hr, fit="pad", zoom=1.0):
    """How many times smaller, 1, 2, 4 or 8, a JPEG of width x height may be decoded before ``make_pair`` makes it hr.

    At least DECODED of its pixels remain for each of hr in both directions, so that Lanczos still decides, and every
    window of the pair lies on whole pixels of the smaller picture. On portraits of 1024x1024 the target then differs
    by 55 to 57 dB (53.5 at the least, 3 levels at the most), about as much as rounding to 8 bits does (58.9 dB); with
    2 pixels it would be 50 to 53 dB (46 at the least) and up to 13 levels.
    """
    windows = _windows(width, height, hr, fit, zoom)
    used = windows[-2:]
    if used[0] * used[1] > MAX_PIXELS:
        return 1
    for times in (8, 4, 2):
        large = all(side >= DECODED * times * target for side, target in zip(used, hr[::-1]))
        smaller = [length // times for length in windows]
        whole = not any(length % times for length in windows)
        if large and whole and _windows(*smaller[:2], hr, fit, zoom) == smaller:
            return times
    return 1


def as_size(size):
    """A side in pixels or (height, width) -> (height, width). UserError unless whole numbers of 1 or more."""
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(isinstance(length, int) and length >= 1 for length in pair):
        raise UserError(f"size {size!r}: a side in pixels such as 64 was expected, or (height, width)")
    return pair


def size_words(size):
    """(height, width) -> "64" for a square, otherwise "112x92"."""
    height, width = size
    return str(height) if height == width else f"{height}x{width}"


def scale_of(hr, lr):
    """The whole number that both (height, width) of lr are multiplied by to give hr; UserError if there is none."""
    scale = hr[0] // lr[0]
    if hr != (scale * lr[0], scale * lr[1]):
        raise UserError(
            f"hr {size_words(hr)} with lr {size_words(lr)}: hr must be a multiple of lr, the same in height and width, "
            "such as 256 with 64 or 112x92 with 56x46"
        )
    return scale


def check_fit(fit, zoom):
    """UserError unless ``fit`` is one of FITS and 0 < zoom <= 1."""
    if fit not in FITS:
        raise UserError(f"unknown fit {fit!r}: use one of {', '.join(FITS)}")
    if not isinstance(zoom, (int, float)) or not 0 < zoom <= 1:
        raise UserError(f"zoom {zoom!r}: the share of each side to keep was expected, above 0 and up to 1")


def difference_hash(target):
    """uint8 (H, W, 3) -> bool (256,): is each cell of a 16x17 gray thumbnail brighter than the next one?

    Survives re-encoding, resizing and brightening; see ``split.near_duplicate_groups``. A mirror image has another.
    """
    gray = Image.fromarray(target).convert("L")
    cells = resize(gray, (HASH_SIDE, HASH_SIDE + 1), "bilinear")
    return (cells[:, :-1] > cells[:, 1:]).ravel()


def _target(image, hr, fit, zoom):
    image = _window(image, _zoomed(*image.size, zoom))
    size = used_size(*image.size, hr, fit)
    if size[0] * size[1] > MAX_PIXELS and fit == "pad":  # a long strip, whose canvas would not fit into memory
        sides = [max(1, round(n * 4 * to / side)) for n, to, side in zip(image.size, hr[::-1], size)]
        image = image.resize(sides, Image.Resampling.LANCZOS)
        size = used_size(*image.size, hr, fit)
    return resize(_window(image, size), hr, HR_FILTER)


def _zoomed(width, height, zoom):
    return max(1, round(width * zoom)), max(1, round(height * zoom))


def _window(image, size):
    """The middle of a Pillow image, as (width, height); black where that is larger than the image.

    An odd rest is a border to the right or to the bottom, or is cut off to the left or at the top. The paper does not
    say where the borders go; we centre the picture, because a face stays in the middle that way.
    """
    if image.size == size:
        return image
    left, top = _corner(image.size, size)
    return image.crop((left, top, left + size[0], top + size[1]))


def _corner(there, wanted):
    """(left, top) of the window of `wanted` (width, height) in the middle of `there`."""
    return [(has - wants) - (has - wants) // 2 for has, wants in zip(there, wanted)]


def _windows(width, height, hr, fit, zoom):
    """[width, height, ..., width used, height used]: sizes and corners of all that a pair is cut from, in pixels."""
    zoomed = _zoomed(width, height, zoom)
    used = used_size(*zoomed, hr, fit)
    return [width, height, *zoomed, *_corner((width, height), zoomed), *_corner(zoomed, used), *used]
