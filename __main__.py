"""python -m burnish: the command line, where the `burnish` script is not on the path."""

from __future__ import annotations

import sys

from .compiler.cli import main

if __name__ == "__main__":
    sys.exit(main())
