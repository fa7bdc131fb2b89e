"""Entry point for ``python -m data_prep SRC -o OUT``."""

import sys

from data_prep.command import main

sys.exit(main())
