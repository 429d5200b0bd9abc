"""The optimiser: orthogonal steps, their size, and what takes them. That it resumes exactly: test_training.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from featurenerf.fields import FastConfig, FastModel
from featurenerf.training.muon import Muon, muon_for, orthogonalised
from featurenerf.training.processes import ALONE


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


def _found(matrix: torch.Tensor) -> torch.Tensor:
    return orthogonalised(matrix.bfloat16()).float()


def _cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a * b).sum() / a.norm() / b.norm())
