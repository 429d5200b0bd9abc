"""The optimiser: orthogonal steps, their size, and what takes them. That it resumes exactly: test_training.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from featurenerf.models import FastConfig, FastModel
from featurenerf.training import optimizer as muon_module
from featurenerf.training.distributed import ALONE, Processes
from featurenerf.training.optimizer import Muon, muon_for, orthogonalised


class Straight(Processes):
    """Leaves directions as they are, so that a step can be worked out by hand."""

    def each(self, work: Callable[[Tensor], Tensor], things: Sequence[Tensor]) -> list[Tensor]:
        assert work is orthogonalised
        return list(things)


@pytest.mark.parametrize("shape", [(64, 64), (48, 200), (200, 48)])
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    matrix = 3 * u @ torch.diag(torch.linspace(0.1, 1, min(shape))) @ v
    found = _found(matrix)
    values = torch.linalg.svdvals(found)
    assert 0.5 < values.min() < values.max() < 1.3
    nearest = u @ v  # of all orthogonal matrices, the one that is most alike
    assert _cosine(found, nearest) > 0.98 > _cosine(matrix, nearest)
    assert _cosine(_found(1e-3 * matrix), found) > 0.999
    assert _found(torch.zeros(shape)).abs().max() == 0


@pytest.mark.parametrize("wide", [True, False])
def test_five_iterations_of_the_quintic(wide: bool) -> None:
    """Singular values of 3 and 4 are divided by the norm, 5; x -> 3.4445 x - 4.775 x^3 + 2.0315 x^5, five times."""
    matrix = torch.tensor([[0.0, -4.0, 0.0], [3.0, 0.0, 0.0]])
    expected = torch.tensor([[0.0, -1.119204, 0.0], [0.722876, 0.0, 0.0]])
    found = orthogonalised(matrix) if wide else orthogonalised(matrix.mT).mT
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    single = orthogonalised(torch.tensor([[0.0, 7.0]]))
    torch.testing.assert_close(single, torch.tensor([[0.0, 0.696436]]), rtol=1e-4, atol=1e-5)
    tiny = orthogonalised(torch.tensor([[0.0, 1e-6]]))  # norms are a ten-millionth longer: it starts from 1 / 1.1
    torch.testing.assert_close(tiny, torch.tensor([[0.0, 0.689193]]), rtol=1e-4, atol=1e-5)


def test_three_steps_by_hand() -> None:
    """Gradients of 4, 8 and -8, a momentum of 3/4, Nesterov's look ahead, and weights that decay by a quarter a step.

    The mean of gradients is 1, 2.75 and 1/16; a quarter of the gradient and three of the mean are 1.75, 4.0625 and
    -1.953125. A step is lr * size * sqrt(longer side) = 0.5 * 0.25 * 2 of that.
    """
    wide, tall = nn.Parameter(torch.full((2, 4), 16.0)), nn.Parameter(torch.full((4, 3), 16.0))
    at_rest = nn.Parameter(torch.full((2, 4), 16.0))
    muon = Muon([wide, at_rest, tall], [], lr=0.5, momentum=0.75, size=0.25, weight_decay=0.5, processes=Straight())
    for gradient, expected in (
        (4.0, 16 * 0.75 - 0.4375),
        (8.0, 11.5625 * 0.75 - 1.015625),
        (-8.0, 7.65625 * 0.75 + 0.48828125),
    ):
        for weight in (wide, tall):
            weight.grad = torch.full_like(weight, gradient)
        muon.step()
        assert wide.tolist() == [[expected] * 4] * 2
        assert tall.tolist() == [[expected] * 3] * 4
        assert wide.grad is None
        assert at_rest.tolist() == [[16.0] * 4] * 2  # it has no gradient


def test_each_weight_of_a_kernel_moves_against_its_own_gradient() -> None:
    torch.manual_seed(0)
    gradient = torch.randint(-8, 9, (4, 3, 2, 5)).float()
    for layout in (torch.contiguous_format, torch.channels_last):
        kernel = nn.Parameter(torch.zeros(4, 3, 2, 5).to(memory_format=layout))
        kernel.grad = gradient.clone()
        Muon([kernel], [], lr=2.0, momentum=0.0, size=1.0, weight_decay=0.0, processes=Straight()).step()
        torch.testing.assert_close(kernel.detach(), -2 * 30**0.5 * gradient)  # a matrix of 4 x 30


@pytest.mark.parametrize(("has", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_directions_are_in_bfloat16_where_the_device_has_it(
    has: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[torch.dtype] = []

    class Watching(Straight):
        def each(self, work: Callable[[Tensor], Tensor], things: Sequence[Tensor]) -> list[Tensor]:
            given.extend(thing.dtype for thing in things)
            return super().each(work, things)

    monkeypatch.setattr(muon_module, "has_bfloat16", lambda device: has)
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.ones(2, 2)
    Muon([weight], [], lr=0.5, processes=Watching()).step()
    assert given == [dtype]


def test_the_defaults_are_the_authors() -> None:
    matrix, other = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))
    muon = Muon([matrix], [other], lr=0.5)
    own, adamw = muon.param_groups
    assert (own["lr"], own["momentum"], own["size"], own["weight_decay"]) == (0.5, 0.95, 0.5, 1e-4)
    assert (adamw["lr"], adamw["weight_decay"], adamw["betas"], adamw["eps"]) == (0.5, 1e-4, (0.9, 0.999), 1e-8)
    assert muon.processes is ALONE


def test_momentum_is_saved_and_read() -> None:
    def one() -> tuple[nn.Parameter, Muon]:
        weight = nn.Parameter(torch.zeros(2, 2))
        return weight, Muon([weight], [], lr=0.5, momentum=0.75, size=1.0, weight_decay=0.0, processes=Straight())

    whole, steps = one()
    for gradient in (4.0, 8.0):
        whole.grad = torch.full((2, 2), gradient)
        before = whole.detach().clone()
        steps.step()
    stopped, first = one()
    stopped.grad = torch.full((2, 2), 4.0)
    first.step()
    resumed, second = one()
    second.load_state_dict(first.state_dict())
    resumed.data.copy_(before)
    resumed.grad = torch.full((2, 2), 8.0)
    second.step()
    assert torch.equal(resumed, whole)


def test_a_kernel_takes_an_orthogonal_step_of_the_size_that_is_said() -> None:
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(32, 16, 3, 3).to(memory_format=torch.channels_last))
    before = kernel.detach().clone()
    kernel.grad = torch.randn(32, 16, 3, 3)
    gradient = kernel.grad.clone()
    Muon([kernel], [], lr=0.1, size=0.5, weight_decay=0.0).step()
    taken = (before - kernel.detach()).flatten(1)
    expected = _found(gradient.flatten(1)) * 0.1 * 0.5 * 144**0.5  # the first step goes along the gradient
    assert _cosine(taken, expected) > 0.999
    assert float(taken.square().mean().sqrt()) == pytest.approx(0.1 * 0.5, rel=0.3)


def test_other_parameters_step_as_with_adamw() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.randn(5)), nn.Parameter(torch.empty(5))
    theirs.data.copy_(ours.data)
    muon, adamw = Muon([], [ours], lr=0.01, weight_decay=0.1), torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for _ in range(20):
        ours.grad = torch.randn(5)
        assert ours.grad is not None
        theirs.grad = ours.grad.clone()
        muon.step()
        adamw.step()
    torch.testing.assert_close(ours, theirs)


def test_what_is_a_matrix() -> None:
    model = FastModel(FastConfig())
    muon = muon_for(model, 1e-3, ALONE)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    matrices = {names[id(parameter)] for parameter in muon.param_groups[0]["params"]}
    others = {names[id(parameter)] for parameter in muon.param_groups[1]["params"]}
    assert {"net.down8.0.weight", "net.context.weight", "net.adapt.0.weight", "head.hidden.weight"} <= matrices
    assert {"net.to_volume.weight", "head.output.weight", "net.down8.0.bias", "head.to_colour.weight"} <= others
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert matrices | others == trained
    assert not matrices & others
    assert not any(name.startswith("net.backbone") for name in trained)


def test_a_matrix_has_32_outputs_and_inputs_and_gives_no_output_of_the_model() -> None:
    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ModuleDict(
                {
                    "square": nn.Linear(32, 32),
                    "few_outputs": nn.Linear(64, 31),
                    "few_inputs": nn.Linear(31, 64),
                    "kernel": nn.Conv2d(4, 32, 3),  # 36 inputs
                    "small_kernel": nn.Conv2d(3, 32, 3),  # 27
                    "frozen": nn.Linear(32, 32).requires_grad_(False),
                    "to_colour": nn.ModuleList([nn.Linear(32, 32)]),
                    "into": nn.Linear(32, 32),
                    "outputs": nn.Linear(32, 32),
                }
            )
            self.output = nn.Linear(32, 32)
            self.scale = nn.Parameter(torch.ones(64))

    model = Layers()
    processes = Processes(1, 2)
    muon = muon_for(model, 0.25, processes)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    matrices, others = ([names[id(p)] for p in group["params"]] for group in muon.param_groups)
    assert matrices == [f"inner.{name}.weight" for name in ("square", "kernel", "into", "outputs")]
    frozen = {"inner.frozen.weight", "inner.frozen.bias"}
    assert set(others) == set(names.values()) - set(matrices) - frozen
    assert all(group["lr"] == 0.25 for group in muon.param_groups)
    assert muon.processes is processes


def _found(matrix: torch.Tensor) -> torch.Tensor:
    return orthogonalised(matrix.bfloat16()).float()


def _cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a * b).sum() / a.norm() / b.norm())
