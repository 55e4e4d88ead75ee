"""What users may rely on: the one library inside the report is the one that its project published, with its licence."""

from __future__ import annotations

import hashlib
from importlib.resources import files

ASSETS = files("burnish.compiler.report") / "assets"
# Of uplot-1.6.32.tgz in the npm registry, whose own sha256 is
# 4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d.
PUBLISHED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def test_uplot_is_as_it_was_published():
    for name, digest in PUBLISHED.items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest, name
