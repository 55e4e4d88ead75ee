"""A program of three steps, compiled jointly with the small model: which part of which step brought what?

    python benchmarks/three_steps.py            rebuilds the answer from recorded replies, without a model: seconds
    python benchmarks/three_steps.py --record   asks the model (98 MB are downloaded once): some twenty minutes

The program is that of `examples/three_steps.py`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from recordings import Recording, record

import burnish as b

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from options import EMBEDDED
from three_steps import CALLS, MAX_TOKENS, improved

RECORDING = Recording("three_steps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="ask the model and record its replies")
    recording = parser.parse_args().record
    with RECORDING.cache(recording) as cache, tempfile.TemporaryDirectory() as run:
        compiled = improved(b.LM(EMBEDDED, max_tokens=MAX_TOKENS, timeout=600), CALLS, run)
        if recording:
            print(f"{record(cache, RECORDING.replies)} replies recorded in {RECORDING.replies.name}")
    for line in compiled.report_lines:
        print(line)


if __name__ == "__main__":
    main()
