"""Entry point for ``python -m mpsrgan``, which does the same as the console script."""

import sys

from mpsrgan.cli import main

sys.exit(main())
