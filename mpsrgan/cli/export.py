"""`mpsrgan export`: converts a generator for another runtime and says how far the file is from Keras.

It is built on `mpsrgan.export`.
"""

from data_prep.pairs import size_words
from mpsrgan.export import SIZE, export_generator
from mpsrgan.export.formats import FORMATS, PRECISIONS
from mpsrgan.io.arguments import size


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    add = parser.add_argument
    add("source", metavar="FILE.h5|NAME", help="the generator: a file, or the name of weights that ship")
    add("-o", "--out", required=True, metavar="OUT", help="file to write; a folder for saved_model")
    add("--format", choices=FORMATS, help="default: by OUT's suffix: .onnx, .tflite, .xml, or none for saved_model")
    add(
        "--lr-size",
        type=size,
        default=SIZE,
        metavar="SIZE",
        help=f"side in pixels, or WIDTHxHEIGHT: what litert takes, what the others are tried on (default {SIZE[0]})",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        help="narrower numbers than float32. float16: onnx, litert; int8: onnx, with ranges from --calibrate; dynamic: "
        "litert, with weights of 8 bits. Its loss and, of onnx, its speed are measured",
    )
    add(
        "--calibrate",
        metavar="DIR",
        help="pictures for the ranges of int8, color faces at best (default: those of the extra samples)",
    )
    add(
        "--photos",
        metavar="DIR",
        help="photographs to measure Keras and the file on: their center, downscaled to --lr-size",
    )


def run(args):
    """Export a generator, run the file, and print how far it is from Keras.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code, 0.

    Raises:
        UserError: As in `mpsrgan.export.export_generator`.
    """
    options = {"size": args.lr_size, "precision": args.precision, "photos": args.photos}
    options["calibrate"] = args.calibrate
    made = export_generator(args.source, args.out, args.format, **options)
    what, apart = FORMATS[made.format], made.difference
    size = size_words(made.sizes[0])
    takes = f"images of {size} px" if what.fixed else "images of any size"
    print(f"{args.out}: {made.format}, {made.megabytes:.2f} MB, {takes}")
    print(
        f"from Keras: at most {apart.largest:.2g} gray levels of 0..255, {apart.mean:.2g} in the mean, PSNR "
        f"{apart.psnr:.1f} dB (a face of {' and '.join(map(size_words, made.sizes))} px)"
    )
    if made.photos:
        number, keras, file = made.photos
        print(
            f"{number} photographs at {size} px: Keras {keras:.2f} dB, the file {round(file - keras, 3) + 0.0:+.3f} dB"
        )
    if made.seconds:
        float32, file = made.seconds
        times = f"{1000 * file:.1f} ms for {size} px, float32 {1000 * float32:.1f} ms"
        print(f"{args.precision}: {times}, {float32 / file:.2f} times as fast (medians of 10, in turns)")
    return 0
