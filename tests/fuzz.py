"""A fuzzer, `make fuzz`: small valid files are damaged and read, and every end but a value or a sentence is printed.

    python tests/fuzz.py --seconds 600 --seed 7      more of it, from another seed
    python tests/fuzz.py --only npz --seed 7 --number 123      one case again

A case is known by its reader, the seed and its number, whatever ran before it. ``tests/test_fuzz.py`` runs a minute of
it, and the cases of ``fuzz_seeds.txt``: those that once ended otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fuzz_calls
from featurenerf.errors import InputError, MissingExtraError
from fuzz_readers import READERS, Reader, opened_up

SECONDS, MEGABYTES = 10.0, 1024
"""What one case may take: processor seconds, and memory beyond the most that was taken before it."""
ODD = ("NaN", "-1", "1e400", "9" * 400, "null", "[]", "{}", '"\\ud800"', "true", "[[[[]]]]", '"../../x"', "0", "1e-300")
"""What is put in the place of a JSON value."""
WORDS = (b"nan", b"-1", b"1e400", b"9" * 400, b"", b"0", b"/", b"2000000000", b"\xff", b"1e-300", b"../../x", b"#")
"""What is put in the place of a word of a text."""
TEXTS = (".obj", ".mtl", ".off", ".ac", ".txt", ".csv", ".jsonl", ".md")


def damaged(content: bytes, form: str, chance: random.Random) -> bytes:
    """A file's content with one fault: a flipped bit, an end too early, bytes put in or replaced, odd values.

    Args:
        form: "json" or "words" for files of text, in which a value is replaced too.
    """
    place = chance.randrange(len(content) + 1)
    kind = chance.randrange(8 if form else 6)
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + chance.randbytes(chance.choice((1, 4, 100))) + content[place:]
    if kind == 2:
        return content[:place] + b"\xff" * chance.choice((1, 8)) + content[place + 8 :]
    if kind == 3:
        return content[:place] + content[chance.randrange(len(content) + 1) :]
    if kind >= 6 and form == "words":
        words = re.split(rb"(\s+)", content)
        words[2 * chance.randrange((len(words) + 1) // 2)] = chance.choice(WORDS)
        return b"".join(words)
    if kind >= 6:
        return json.dumps(_odd(json.loads(content), chance)).replace('"<ODD>"', chance.choice(ODD)).encode()
    flipped = bytearray(content or b"x")
    for _ in range(chance.choice((1, 1, 3))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _damaged_file(reader: Reader, path: Path, chance: random.Random) -> bytes:
    if reader.inside:
        inner, is_json, whole = opened_up(path.read_bytes(), path.suffix, chance.choice)
        return whole(damaged(inner, "json" if is_json else "", chance))
    form = "json" if path.suffix == ".json" else "words" if path.suffix in TEXTS else ""
    return damaged(path.read_bytes(), form, chance)


def _odd(value: Any, chance: random.Random) -> Any:
    """A JSON value with a mark in the place of one of those within it."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.15:
        return "<ODD>"
    key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    copy = value.copy()
    copy[key] = _odd(value[key], chance)
    return copy


def run_case(name: str, seed: int, number: int, folder: Path) -> str | None:
    """One case; what is wrong with how it ended, if anything."""
    chance = random.Random(f"{name} {seed} {number}")
    restore: tuple[Path, bytes] | None = None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    wrong = None
    try:
        if name in fuzz_calls.CALLS:
            fuzz_calls.call(name, chance)
        else:
            reader = READERS[name]
            path = chance.choice(sorted(path for path in folder.glob(reader.damaged) if path.is_file()))
            restore = path, path.read_bytes()
            path.write_bytes(_damaged_file(reader, path, chance))
            reader.read(folder)
    except (InputError, MissingExtraError):
        pass
    except Exception:
        wrong = traceback.format_exc(limit=-4)
    finally:
        if restore is not None:
            restore[0].write_bytes(restore[1])
    seconds = time.process_time() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) / 1024
    if seconds > SECONDS or megabytes > MEGABYTES:
        wrong = f"it took {seconds:.1f} s and {megabytes:.0f} MB" + (f"\n{wrong}" if wrong else "")
    return None if wrong is None else f"{name} {seed} {number}: {wrong}"


def run(seconds: float, seed: int, names: list[str], first: int = 0) -> tuple[int, list[str]]:
    """Cases of each reader and function in turn, for so many seconds of a core: how many, and what was wrong."""
    wrong, count, number = [], 0, first
    end = time.process_time() + seconds
    with folders(names) as where, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.process_time() < end:
            for name in names:
                if (problem := run_case(name, seed, number, where.get(name, Path()))) is not None:
                    wrong.append(problem)
                count += 1
                if time.process_time() >= end:
                    break
            number += 1
    return count, wrong


class folders:
    """The valid files of each reader, in a folder of its own, for as long as the block runs."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __enter__(self) -> dict[str, Path]:
        self.root = tempfile.TemporaryDirectory()
        found = {}
        for name in dict.fromkeys(self.names):
            if name in READERS:
                found[name] = Path(self.root.name) / name
                found[name].mkdir()
                READERS[name].write(found[name])
        return found

    def __exit__(self, *_: Any) -> None:
        self.root.cleanup()


def kept() -> Iterator[tuple[str, int, int]]:
    """The cases of ``fuzz_seeds.txt``."""
    for line in (Path(__file__).parent / "fuzz_seeds.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            *name, seed, number = line.split()
            yield " ".join(name), int(seed), int(number)


NAMES = [*READERS, *fuzz_calls.CALLS]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=NAMES, nargs="*", default=NAMES)
    parser.add_argument("--number", type=int, help="one case alone")
    given = parser.parse_args()
    if given.number is None:
        tried, problems = run(given.seconds, given.seed, given.only)
    else:
        with folders(given.only) as where:
            found = [run_case(name, given.seed, given.number, where.get(name, Path())) for name in given.only]
        tried, problems = len(found), [problem for problem in found if problem is not None]
    print("\n".join(problems))
    print(f"{tried} cases, {len(problems)} of which end in neither a value nor a sentence")
    sys.exit(bool(problems))
