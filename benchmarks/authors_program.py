"""Time the authors' FeatureNeRF program and this package side by side, on the CPU, in one run.

    git clone https://github.com/jianglongye/featurenerf /tmp/authors
    python benchmarks/authors_program.py --clone /tmp/authors --group authors

Two jobs are timed: a training step (4 objects x 128 rays: forward, backward, Adam), and one 128 x 128 picture with
descriptors (encode the source picture, render). Every measurement is a process of its own, so that its peak memory is
its own; the programs take turns (A B C A B C ...), and the table shows medians. Their scripts run as they are, with
their released DINO configuration; benchmarks/README.md says what stands in for the modules that they import.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

CONFIG = "conf/exp/feature_dino_256_0.25_share_coord.conf"
OBJECTS, RAYS, VIEWS, SIZE, FEATURE = 4, 128, 50, 128, 384
NEAR, FAR = 0.8, 1.8
NAMES = {"authors": "authors' program", "paper": "ours, paper field", "fast": "ours, fast field"}


# ---------------------------------------------------------------------- the parent process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clone", type=Path, required=True, help="a clone of github.com/jianglongye/featurenerf")
    parser.add_argument("--group", help="add every measurement to benchmarks/results.jsonl, under this name")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each program (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often the programs take turns (default: 3)")
    parser.add_argument(
        "--rows", type=int, default=SIZE, help="render only this many rows of the authors' picture and scale up"
    )
    parser.add_argument("--only", nargs="+", choices=list(NAMES), default=list(NAMES), help="time only these")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not (args.clone / CONFIG).is_file():
        sys.exit(f"{args.clone} is not a clone of github.com/jianglongye/featurenerf: {CONFIG} is not in it")
    if args.worker:
        program, job = args.worker.split(":")
        print(json.dumps(measure(program, job, args.clone.resolve(), args.threads, args.rows)))
        return

    import results  # not in the workers, whose memory is measured
    import tables

    jobs = [(p, job) for _ in range(args.rounds) for p in args.only for job in ("step", *["recipe"] * (p == "fast"))]
    jobs += [(p, "picture") for turn in range(args.rounds) for p in args.only if p != "authors" or turn == 0]
    found = []
    for number, (program, job) in enumerate(jobs, 1):
        print(f"[{number}/{len(jobs)}] {NAMES[program]}: {job}", file=sys.stderr, flush=True)
        origin = results.origin(args.group or "now", ["python", *sys.argv])
        rows = args.rows if (program, job) == ("authors", "picture") else None
        found.append({**origin, "label": program, "job": job, "rows": rows, **spawn(program, job, args)})
    if args.group:
        results.add_records(found)
    print(tables.side_by_side(found, found[0]["group"]))
    if args.rows < SIZE:
        print(f"\nThe authors' picture is an estimate from {args.rows} of its {SIZE} rows.")


def spawn(program: str, job: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run one measurement in a fresh process; its last line of output is the result."""
    command = [sys.executable, __file__, "--clone", str(args.clone), "--worker", f"{program}:{job}"]
    command += ["--threads", str(args.threads), "--rows", str(args.rows)]
    threads = {"OMP_NUM_THREADS": str(args.threads), "MKL_NUM_THREADS": str(args.threads), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{NAMES[program]}, {job}: failed\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------------- a worker process


def measure(program: str, job: str, clone: Path, threads: int, rows: int) -> dict[str, Any]:
    """Time one job of one program in this process."""
    import torch

    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    with redirect_stdout(sys.stderr):
        if program == "authors":
            times, rays = (
                (authors_step(clone), OBJECTS * RAYS) if job == "step" else (authors_picture(clone, rows), None)
            )
        else:
            times, rays = ours(program, job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"seconds": [round(t, 5) for t in times], "rays": rays, "peak_memory_mib": round(peak, 1)}


def timed(action: Callable[[], Any], warmup: int, repeat: int) -> list[float]:
    times = []
    for turn in range(warmup + repeat):
        start = time.perf_counter()
        action()
        if turn >= warmup:
            times.append(time.perf_counter() - start)
    return times


def synthetic_objects(views: int) -> tuple[Any, Any, float]:
    """Random pictures (OBJECTS, views, 3, SIZE, SIZE) in [0, 1], camera poses around the origin, the focal length."""
    import torch

    from featurenerf.cameras import Camera

    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(OBJECTS, views, 3, SIZE, SIZE, generator=generator)
    azimuths = torch.rand(OBJECTS * views, generator=generator) * 360
    elevations = torch.rand(OBJECTS * views, generator=generator) * 80
    cameras = Camera.look_at(azimuths.tolist(), elevations.tolist(), SIZE, SIZE, near=NEAR, far=FAR)
    return pictures, cameras.reshape(OBJECTS, views), float(cameras.focal[0, 0])


# ---------------------------------------------------------------------- ours


def ours(name: str, job: str) -> tuple[list[float], int | None]:
    """Time a field of this package ("paper" or "fast") with random weights, through its API and its training step.

    Jobs: "picture"; "step", as large as the authors'; "recipe", as large as ``featurenerf train`` makes it.
    """
    import torch

    from featurenerf.models import MODELS
    from featurenerf.runtime import keep_freed_memory
    from featurenerf.training.config import PRESETS, Budget

    keep_freed_memory()  # as the command line does
    torch.manual_seed(0)
    model = MODELS[name](MODELS[name].config_type())
    if job == "picture":
        pictures, cameras, _ = synthetic_objects(2)
        model.eval()

        def render_picture() -> None:
            with torch.no_grad():
                field = model.encode(pictures[0, 0], cameras[0, 0])
                field.render(cameras[0, 1], channels=("rgb", "descriptor"))

        return timed(render_picture, warmup=0 if name == "paper" else 1, repeat=1 if name == "paper" else 5), None

    budget = Budget(**PRESETS[name]["quick"])
    if job == "step":
        budget = replace(budget, objects=OBJECTS, source_views=1, rays=RAYS)
    rays = budget.objects * budget.source_views * budget.rays
    return timed(training_step(model, budget), warmup=1, repeat=1 if name == "paper" else 10), rays


def training_step(model: Any, budget: Any) -> Callable[[], None]:
    """A step of ``featurenerf train`` on synthetic objects: batch, fields, losses, gradients, Adam."""
    import numpy as np
    import torch

    from featurenerf.training.batches import Batch, Drawing, make_batch
    from featurenerf.training.config import LOSS_WEIGHTS
    from featurenerf.training.loop import step_losses
    from featurenerf.training.losses import weighted

    drawing, rng = Drawing(budget), np.random.default_rng(0)
    objects = [InMemory(rng) for _ in range(OBJECTS)]
    adam = torch.optim.Adam(model.parameters(), lr=budget.learning_rate)

    class Targets:
        """In place of a teacher's features."""

        def of(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.randn(*batch.xy.shape[:2], model.config.feature_dim), (batch.alpha > 0.5).float()

    def step() -> None:
        batch = make_batch(objects, drawing, rng)
        weighted(step_losses(model, batch, Targets(), budget, seed=0), LOSS_WEIGHTS[model.name]).backward()
        adam.step()
        adam.zero_grad()

    return step


class InMemory:
    """Random views of a ball, which ``make_batch`` takes for an object of a data set."""

    def __init__(self, rng: Any) -> None:
        import numpy as np

        from featurenerf.cameras import Camera

        y, x = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
        alpha = np.broadcast_to(255 * (np.hypot(x, y) < 40)[..., None], (VIEWS, SIZE, SIZE, 1))
        self._pictures = np.concatenate([rng.integers(0, 256, (VIEWS, SIZE, SIZE, 3)), alpha], -1).astype(np.uint8)
        self._cameras = Camera.look_at(
            rng.uniform(0, 360, VIEWS).tolist(), rng.uniform(0, 80, VIEWS).tolist(), SIZE, SIZE
        )

    def __len__(self) -> int:
        return VIEWS

    def picture(self, view: int) -> Any:
        return self._pictures[view]

    def camera(self, view: int) -> Any:
        return self._cameras[view]

    def cameras(self) -> Any:
        return self._cameras


# ---------------------------------------------------------------------- the authors' program


def authors_step(clone: Path) -> list[float]:
    """Run their train/train.py; a stand-in for its trainer's base class times steps instead of looping 500 epochs."""
    import torch

    pictures, cameras, focal = synthetic_objects(VIEWS)
    batch = {
        "images": pictures * 2 - 1,
        "poses": cameras.pose,
        "focal": torch.full((OBJECTS,), focal),
        "c": torch.full((OBJECTS, 2), SIZE / 2),
        "bbox": torch.tensor([20.0, 20.0, 107.0, 107.0]).expand(OBJECTS, VIEWS, 4),
        "feats": torch.randn(OBJECTS, VIEWS, FEATURE, SIZE // 4, SIZE // 4),
    }
    times: list[float] = []

    class Trainer:
        def __init__(self, net: Any, dset: Any, val_dset: Any, args: Any, conf: Any, device: Any = None) -> None:
            self.args = args
            self.optim = torch.optim.Adam(net.parameters(), lr=args.lr)

        def start(self) -> None:
            def step() -> None:
                self.train_step(batch, global_step=0)  # type: ignore[attr-defined]  # theirs: forward and backward
                self.optim.step()
                self.optim.zero_grad()

            times.extend(timed(step, warmup=1, repeat=1))

    trainlib = ModuleType("trainlib")
    trainlib.TrainerWandb = Trainer  # type: ignore[attr-defined]
    with their_world(clone, "train/train.py", trainlib=trainlib):
        runpy.run_path(str(clone / "train/train.py"), run_name="__main__")
    return times


def authors_picture(clone: Path, rows: int) -> list[float]:
    """Load their eval/eval_nv_2d_task.py (without its main part) and call the function that renders descriptors."""
    import torch

    pictures, cameras, focal = synthetic_objects(2)
    pose = cameras.pose[0]
    with their_world(clone, "eval/eval_nv_2d_task.py"):
        script = runpy.run_path(str(clone / "eval/eval_nv_2d_task.py"), run_name="authors")
        (name,) = script["nets"]
        net = script["nets"][name].eval()
        render = script["render_pars"][name]
        picture = pictures[0, :1] * 2 - 1

        def render_picture() -> None:
            script["extract_feature_map"](
                picture, pose[:1], pose[1:], torch.tensor(focal), net=net, render_par=render, H=rows, eval_ray_num=20000
            )

        return [t * SIZE / rows for t in timed(render_picture, warmup=0, repeat=1)]


@contextmanager
def their_world(clone: Path, script: str, **modules: ModuleType) -> Iterator[None]:
    """Their command line, a folder to write to, and stand-ins for the modules that they import."""
    data = ModuleType("data")
    data.get_split_dataset = lambda *_, want_split=None, **__: _Dataset() if want_split else (_Dataset(),) * 3  # type: ignore[attr-defined]
    stand_ins = {"data": data, "torchvision": _torchvision(), "pyhocon": _pyhocon(), "dotmap": _dotmap(), **modules}
    cv2 = ModuleType("cv2")
    cv2.COLORMAP_HOT = 11  # type: ignore[attr-defined]
    stand_ins |= {"cv2": cv2, "seaborn": ModuleType("seaborn"), "wandb": ModuleType("wandb")}
    stand_ins["torchvision.transforms"] = stand_ins["torchvision"].transforms  # type: ignore[attr-defined]
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.modules.update(stand_ins)
        sys.path.insert(0, str(clone / "src"))
        sys.argv = [script, "--conf", str(clone / CONFIG), "--name", Path(CONFIG).stem, "--no_wandb"]
        if script.startswith("eval"):
            sys.argv.remove("--no_wandb")
        try:
            yield
        finally:
            os.chdir(before)


class _Dataset:
    """What their scripts ask of a data set before its first item."""

    z_near, z_far, lindisp = NEAR, FAR, False


def _dotmap() -> ModuleType:
    """A dictionary whose items are attributes."""

    class DotMap(dict):
        __setattr__ = dict.__setitem__

        toDict = dict.copy

        def __getattr__(self, name: str) -> Any:
            return self.setdefault(name, DotMap())

    module = ModuleType("dotmap")
    module.DotMap = DotMap  # type: ignore[attr-defined]
    return module


def _pyhocon() -> ModuleType:
    """As much of HOCON as their configuration files use: include, nested blocks, ``key = value``, comments."""

    class Config(dict):
        def __getitem__(self, path: str) -> Any:
            value: Any = self
            for key in path.split("."):
                value = dict.__getitem__(value, key)
            return value

        def read(self, path: str, *default: Any) -> Any:
            try:
                return self[path]
            except KeyError:
                if default:
                    return default[0]
                raise

        get_string = get_list = read

        def get_int(self, path: str, *default: Any) -> int:
            return int(self.read(path, *default))

        def get_float(self, path: str, *default: Any) -> float:
            return float(self.read(path, *default))

        def get_bool(self, path: str, *default: Any) -> bool:
            return bool(self.read(path, *default))

        def merge(self, other: Config) -> None:
            for key, value in other.items():
                if isinstance(value, Config) and isinstance(self.get(key), Config):
                    self.get(key).merge(value)  # type: ignore[union-attr]
                else:
                    self[key] = value

    def parse(path: Path) -> Config:
        root = Config()
        blocks = [root]
        for number, raw in enumerate(path.read_text().splitlines(), 1):
            line = raw.split("#")[0].strip()
            if not line:
                continue
            if line.startswith("include "):
                blocks[-1].merge(parse(path.parent / line.split('"')[1]))
            elif line.endswith("{"):
                inner = Config()
                blocks[-1].merge(Config({line[:-1].strip(): inner}))
                blocks.append(blocks[-1].get(line[:-1].strip()))  # type: ignore[arg-type]
            elif line == "}":
                blocks.pop()
            elif "=" in line:
                key, value = (part.strip() for part in line.split("=", 1))
                try:
                    blocks[-1][key] = json.loads(value.replace("True", "true").replace("False", "false"))
                except json.JSONDecodeError:
                    blocks[-1][key] = value.strip('"')
            else:
                raise ValueError(f"{path}:{number}: cannot read {raw!r}")
        return root

    module = ModuleType("pyhocon")
    module.ConfigFactory = type("ConfigFactory", (), {"parse_file": staticmethod(lambda path: parse(Path(path)))})  # type: ignore[attr-defined]
    return module


def _torchvision() -> ModuleType:
    """A ResNet-34 (He et al., 2016, table 1) with random weights, under the attribute names of torchvision's."""
    from torch import Tensor, nn

    class Block(nn.Module):
        def __init__(self, c_in: int, c_out: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
            self.bn1 = norm(c_out)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
            self.bn2 = norm(c_out)
            shortcut = [nn.Conv2d(c_in, c_out, 1, stride, bias=False), norm(c_out)] if stride > 1 else []
            self.downsample = nn.Sequential(*shortcut)

        def forward(self, x: Tensor) -> Tensor:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.downsample(x))

    class ResNet34(nn.Module):
        def __init__(self, weights: Any = None, norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = norm_layer(64)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            c_in = 64
            for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
                strides = [1 if stage == 1 else 2] + [1] * (depth - 1)
                blocks = [Block(c_in if i == 0 else width, width, s, norm_layer) for i, s in enumerate(strides)]
                setattr(self, f"layer{stage}", nn.Sequential(*blocks))
                c_in = width
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(512, 1000)

    models = ModuleType("torchvision.models")
    models.resnet34 = ResNet34  # type: ignore[attr-defined]
    weights = type("Weights", (), {"DEFAULT": None})
    models.resnet = type("resnet", (), {"ResNet18_Weights": weights, "ResNet34_Weights": weights})  # type: ignore[attr-defined]
    module = ModuleType("torchvision")
    module.__version__ = "0.13.0"  # type: ignore[attr-defined]
    module.models, module.transforms = models, ModuleType("torchvision.transforms")  # type: ignore[attr-defined]
    return module


if __name__ == "__main__":
    main()
