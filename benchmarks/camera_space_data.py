"""RGB-D frames of generated objects for ``featurenerf eval --task camera-space``; needs the extra data.

python benchmarks/camera_space_data.py FRAMES --category chair car --frames 12 --pairs 20
featurenerf eval --task camera-space --data FRAMES --category chair --checkpoint chair-car --out report.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from featurenerf.synthesis.rgbd import write_frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--category", nargs="+", default=["chair", "car"])
    parser.add_argument("--frames", type=int, default=12, help="of as many objects, in each category")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=9)
    args = parser.parse_args()
    for category in args.category:
        print(write_frames(args.out, category, args.frames, args.pairs, args.seed))


if __name__ == "__main__":
    main()
