"""Makes one training pair from one photograph.

A size is always (height, width) in pixels. A public function also accepts an int, which stands for a square.

Source: paper 000 (MPSRGAN), section 5, the "image processor".
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
    """Make an hr image and an lr image from a photograph.

    ``fit`` decides how a photograph with another aspect ratio becomes the hr image:

    - "pad": the whole photograph, centered on black that fills it up to hr's aspect ratio (paper 000, section 5).
    - "crop": the largest centered window with hr's aspect ratio. Paper 003 resizes its photographs, and papers
      001, 002, and 004 do not say what becomes of other shapes; we use crop for all four because their data sets have
      centered faces and no borders.
    - "stretch": the whole photograph, with both directions resized independently.

    Args:
        image: RGB Pillow image of any size.
        hr: Side or (height, width) of the hr image in pixels.
        lr: Side or (height, width) of the lr image in pixels.
        fit: One of `FITS`.
        zoom: Share of each side, in (0, 1], that is kept around the center before all else, for data sets with wide
            margins.
        degradation: The `Degradation` that makes the lr image.
        rng: NumPy generator for a ``degradation`` with noise.

    Returns:
        The hr image and the lr image, uint8 arrays (H, W, 3) and (h, w, 3) in 0..255.

    Raises:
        UserError: When hr is not the same whole multiple of lr in both directions, or ``fit`` or ``zoom`` is unknown.

    The paper does not say which filter resizes; we use Lanczos for the hr image because it is the sharpest of Pillow's
    antialiased filters. Nor does the paper say what the lr image is made from; we degrade the hr image itself, so that
    both agree pixel by pixel.
    """
    hr, lr = as_size(hr), as_size(lr)
    scale_of(hr, lr)
    check_fit(fit, zoom)
    target = _target(image, hr, fit, zoom)
    return target, degradation(target, lr, rng)


def photo_area(width, height, hr, fit="pad", zoom=1.0):
    """Return where a photograph lies in its hr image, without the black borders.

    Only whole pixels count: those that the borders touch are left out. The area is never empty. It is everything unless
    ``fit`` is "pad".

    Args:
        width: Width of the photograph in pixels.
        height: Height of the photograph in pixels.
        hr: Side or (height, width) of the hr image in pixels.
        fit: As in ``make_pair``.
        zoom: As in ``make_pair``.

    Returns:
        The rows and the columns as slices.
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
    """Return the size of the area that is resized to hr, borders included.

    Args:
        width: Width of the photograph in pixels.
        height: Height of the photograph in pixels.
        hr: (height, width) of the hr image in pixels.
        fit: As in ``make_pair``.
        zoom: As in ``make_pair``.

    Returns:
        (width, height) in pixels of the photograph.
    """
    width, height = _zoomed(width, height, zoom)
    if fit == "stretch":
        return width, height
    of_height, of_width = round(height * hr[1] / hr[0]), round(width * hr[0] / hr[1])
    if fit == "pad":
        return max(width, of_height), max(height, of_width)
    return min(width, max(1, of_height)), min(height, max(1, of_width))


def decode_factor(width, height, hr, fit="pad", zoom=1.0):
    """Return the factor by which a JPEG may be downscaled in decoding, before ``make_pair`` makes the hr image.

    At least `DECODED` pixels remain for each hr pixel in both directions, so that Lanczos still determines the result.
    Every window of the pair lies on whole pixels of the smaller picture. On portraits of 1024x1024 the PSNR between the
    two hr images is then 55 to 57 dB (53.5 dB at worst, with differences up to 3 levels), which is close to rounding to
    8 bits (58.9 dB). With 2 pixels for each hr pixel it would be 50 to 53 dB (46 dB at worst, with differences up to 13
    levels).

    Args:
        width: Width of the photograph in pixels.
        height: Height of the photograph in pixels.
        hr: (height, width) of the hr image in pixels.
        fit: As in ``make_pair``.
        zoom: As in ``make_pair``.

    Returns:
        1, 2, 4, or 8.
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
    """Convert a side or a size to a size.

    Args:
        size: Side in pixels, or (height, width).

    Returns:
        (height, width).

    Raises:
        UserError: When a number is not a whole number of 1 or more.
    """
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(isinstance(length, int) and length >= 1 for length in pair):
        raise UserError(f"size {size!r}: a side in pixels such as 64 was expected, or (height, width)")
    return pair


def size_words(size):
    """Return a size in words.

    Args:
        size: (height, width) in pixels.

    Returns:
        "64" for a square, otherwise WIDTHxHEIGHT such as "92x112".
    """
    height, width = size
    return str(height) if height == width else f"{width}x{height}"


def scale_of(hr, lr):
    """Return the whole number by which both sides of lr are multiplied to give hr.

    Args:
        hr: (height, width) of the hr image in pixels.
        lr: (height, width) of the lr image in pixels.

    Returns:
        The scale.

    Raises:
        UserError: When there is no such number.
    """
    scale = hr[0] // lr[0]
    if hr != (scale * lr[0], scale * lr[1]):
        raise UserError(
            f"hr {size_words(hr)} with lr {size_words(lr)}: hr must be a multiple of lr, the same in height and width, "
            "such as 256 with 64 or 92x112 with 46x56"
        )
    return scale


def check_fit(fit, zoom):
    """Check a fit and a zoom.

    Args:
        fit: The fit to check.
        zoom: The zoom to check.

    Raises:
        UserError: When ``fit`` is not in `FITS`, or ``zoom`` is not in (0, 1].
    """
    if fit not in FITS:
        raise UserError(f"unknown fit {fit!r}: use one of {', '.join(FITS)}")
    if not isinstance(zoom, (int, float)) or not 0 < zoom <= 1:
        raise UserError(f"zoom {zoom!r}: the share of each side to keep was expected, above 0 and up to 1")


def difference_hash(target):
    """Return a hash that survives re-encoding, resizing, and brightening.

    Each bit tells whether a cell of a 16x17 gray thumbnail is brighter than the next one. A mirrored image has another
    hash. See ``data_prep.split.near_duplicate_groups``.

    Args:
        target: uint8 array (H, W, 3).

    Returns:
        A bool array (256,).
    """
    gray = Image.fromarray(target).convert("L")
    cells = resize(gray, (HASH_SIDE, HASH_SIDE + 1), "bilinear")
    return (cells[:, :-1] > cells[:, 1:]).ravel()


def _target(image, hr, fit, zoom):
    image = _window(image, _zoomed(*image.size, zoom))
    size = used_size(*image.size, hr, fit)
    if size[0] * size[1] > MAX_PIXELS and fit == "pad":  # a long strip, whose padded canvas would not fit into memory
        sides = [max(1, round(n * 4 * to / side)) for n, to, side in zip(image.size, hr[::-1], size)]
        image = image.resize(sides, Image.Resampling.LANCZOS)
        size = used_size(*image.size, hr, fit)
    return resize(_window(image, size), hr, HR_FILTER)


def _zoomed(width, height, zoom):
    return max(1, round(width * zoom)), max(1, round(height * zoom))


def _window(image, size):
    """Return the center of a Pillow image with a (width, height); black fills what lies outside the image.

    If the difference is odd, the extra row or column is a border to the right or at the bottom, or it is cut off to the
    left or at the top. The paper does not say where the borders go; we center the picture, because a face stays
    centered that way.
    """
    if image.size == size:
        return image
    left, top = _corner(image.size, size)
    return image.crop((left, top, left + size[0], top + size[1]))


def _corner(there, wanted):
    """Return (left, top) of the window with size `wanted` (width, height) that is centered in `there`."""
    return [(has - wants) - (has - wants) // 2 for has, wants in zip(there, wanted)]


def _windows(width, height, hr, fit, zoom):
    """Return the sizes and corners in pixels of all windows that a pair is cut from, ending with the size used."""
    zoomed = _zoomed(width, height, zoom)
    used = used_size(*zoomed, hr, fit)
    return [width, height, *zoomed, *_corner((width, height), zoomed), *_corner(zoomed, used), *used]
