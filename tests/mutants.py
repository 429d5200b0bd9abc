"""Mutation testing, `make mutants`: change one place of a module by RULES, and see whether the module's tests notice.

The tests of FOLDER/MODULE.py are tests/FOLDER/test_MODULE.py and those in EXTRA; they run on a copy of the package. One
that means the same as the original goes into mutants_accepted.txt as printed, a reason in place of the line's number.
"""

import ast
import random
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, call

import tyro
from tqdm.contrib.concurrent import thread_map

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "src" / "featurenerf"
CORE = r"[^/]*|(fields|models|training|evaluation|studio|data/formats)/.*|data/pairs.py"
EXTRA = {"models/[efo]|fields/l": "models/test_fast models/test_paper", "training/[lr]": "training/test_training"}
EXTRA |= {"(fields|models)/b": "fields/test_fields", "fields/e|pca": "test_extending teachers/test_projection"}
RUN = f"PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 OMP_NUM_THREADS=1 prlimit --data={8 << 30} timeout -s9 300".split()
PYTEST = [*RUN, sys.executable, "-m", "pytest", "-xqp", "no:cacheprovider", "-c", f"{TESTS.parent}/pyproject.toml"]
SWAPS = "+:-, *:/, +=:-=, *=:/=, |:&, <:>, :=, ==:!=, and:or, is:is not, in:not in, True:False, min:max, amin:amax, "
SWAPS += "minimum:maximum, argmin:argmax, clamp_min:clamp_max, any:all, sum:mean, sin:cos, floor:ceil, width:height"
SWAPPED = {a: b for pair in SWAPS.split(", ") for a, b in (pair.split(":"), pair.split(":")[::-1])}
CALLS = r"(abs|clamp\w*|clip|clone|contiguous|copy|cumsum|detach|exp|flip|float|floor|log|long|norm|round|sqrt|square)"
RULES = {  # a pattern of formatted code: what is put there; None for the other of a pair of SWAPS, as "" and "="
    r"(?<= )([-+*/]=?|[=!]=|and|or|is not|is|not in|in)(?= )|(?<=\) )[|&](?= )|\b(True|False)\b": None,
    r"(?<=\.)\w+|\b(min|max|any|all)(?=[=(])|(?<= )[<>](?==? )|(?<= [<>])=?(?= )": None,
    r"(?<= )(//|%)(?= )|(?<=[\w)\]])\*\*(?=[\w(])": "*",
    r"(?<!is )\bnot (?!in\b)|-(?=[a-zA-Z(])": "",
    r"(?<![\w.])\d+(?![\w.])": r"(\g<0> + 1)",
    r"(?<![\w.])[1-9]\d*(?![\w.])": r"(\g<0> - 1)",
    r"(?<![\w.])(\d+\.\d*(e-?\d+)?|\d+e-?\d+)(?!\w)": r"(\g<0> * 1.1 + 0.01)",
    rf"(?<!\bnp)(?<!torch)\.{CALLS}\(([^()]|\([^()]*\))*\)|\b(np|torch)\.{CALLS}(?=\()": "",
    r"(?<!min|max|mum)\((?!self)([a-z_]\w*), ([a-z_]\w*)(?=[,)])": r"(\2, \1",
    r"(?<=\bif ).+?(?=:$| else )": "False",
    r"(?<=    )(?!print)[\w.]+\(.*\)$": "pass",
}


def mutants(module: str) -> list[tuple[str, int, str, str, str]]:
    """Module, line number, old and new text of the line, and new text of the module."""
    lines = (PACKAGE / module).read_text().splitlines()
    hidden, found, original = set(), [], compile("\n".join(lines), module, "exec")
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Constant) and node.end_lineno > node.lineno):
            hidden |= set(range(node.lineno, node.end_lineno + 1))  # raised errors, and texts of several lines
    for number, line in enumerate(lines, 1):
        for pattern, put in RULES.items() if number not in hidden and line.lstrip()[:1] != "@" else ():
            for place in re.finditer(pattern, line):
                begin, end = line[: place.start()], line[place.end() :]
                new = begin + (SWAPPED.get(place[0], place[0]) if put is None else place.expand(put)) + end
                text = "\n".join([*lines[: number - 1], new, *lines[number:], ""])
                with suppress(SyntaxError):  # nothing inside a string, and nothing that compiles to the same
                    if new != line and begin.count('"') % 2 == 0 and compile(text, module, "exec") != original:
                        found.append((module, number, line.strip(), new.strip(), text))
    return found


def tests_of(module: str) -> list[Path]:
    names = re.sub(r"(\w+)\.py$", r"test_\1", module) + "".join(f" {EXTRA[k]}" for k in EXTRA if re.match(k, module))
    return [TESTS / f"{name}.py" for name in names.split() if (TESTS / f"{name}.py").exists()]


def passes(module: str, text: str) -> bool:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shutil.copytree(PACKAGE, Path(folder, "featurenerf"))
        Path(folder, "featurenerf", module).write_text(text)
        command = ["env", f"PYTHONPATH={folder}:{TESTS}", f"TMPDIR={folder}", *PYTEST, "--hypothesis-seed=0"]
        return call([*command, *tests_of(module)], cwd=folder, stdout=DEVNULL, stderr=DEVNULL) == 0


def main(count: int = 200, seed: int = 0, jobs: int = 2, goal: float = 85, module: str = "") -> None:
    """Print the mutants of modules (a pattern) that no test notices; exit code 1 is a share below the goal (%)."""
    names = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    names = [name for name in names if re.fullmatch(CORE, name) and re.search(module, name)]
    print("Modules without tests of their own:", *(name for name in names if not tests_of(name)))
    found = [mutant for name in names if tests_of(name) for mutant in mutants(name)]
    found.sort(key=lambda mutant: random.Random(f"{seed} {mutant[0]} {mutant[2:4]}").random())
    accepted = re.findall(r"(?m)^(\S+):.*\n- (.+)\n\+ (.+)$", (TESTS / "mutants_accepted.txt").read_text())
    chosen = [mutant for mutant in found if (mutant[0], *mutant[2:4]) not in accepted][:count]
    originals = {mutant[0]: (PACKAGE / mutant[0]).read_text() for mutant in chosen}
    sound = thread_map(passes, originals, originals.values(), max_workers=jobs, desc="originals")
    if not all(sound):
        sys.exit(f"Tests fail unmutated or take 300 s: {[n for n, ok in zip(originals, sound, strict=True) if not ok]}")
    passed = thread_map(passes, [m[0] for m in chosen], [m[4] for m in chosen], max_workers=jobs, desc="mutants")
    for name, line, before, after, _ in (mutant for mutant, ok in zip(chosen, passed, strict=True) if ok):
        print(f"{name}:{line}\n- {before}\n+ {after}\n")
    share = 100 * passed.count(False) / max(len(passed), 1)
    print(f"The tests notice {share:.0f} % of {len(passed)} mutants; the goal is {goal:.0f} %.")
    sys.exit(share < goal)


if __name__ == "__main__":
    tyro.cli(main)
