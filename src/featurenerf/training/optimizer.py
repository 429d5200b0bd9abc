"""Muon: momentum whose direction is made orthogonal, which trains the fast field in far fewer steps than AdamW does.

``torch.optim.Muon`` (PyTorch 2.9) takes matrices only; most of this program's weights are kernels of convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.runtime import has_bfloat16
from featurenerf.training.config import Budget
from featurenerf.training.distributed import ALONE, Processes, in_memory_order

LEAST_SIDE = 32
"""A weight is treated as a matrix if it has at least so many outputs, and as many inputs."""


class Muon(torch.optim.AdamW):
    """Muon for matrices and kernels, AdamW for everything else.

    A step along the nearest orthogonal matrix changes what a layer does equally in all directions, where that of Adam
    is ruled by a few. Its size does not depend on a layer's shape, so that both share a learning rate.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the scale is that of
    J. Liu et al., "Muon is scalable for LLM training" (2025), section 2.2.

    Args:
        matrices: weights, (out, in, ...), that are treated as matrices (out, in * ...).
        others: parameters for AdamW (I. Loshchilov, F. Hutter, ICLR 2019), as PyTorch has it.
        size: root mean square of a matrix's step, in learning rates; AdamW's is 0.2 to 0.4.
        processes: of the run; each makes a share of the matrices orthogonal.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        size: float = 0.5,
        weight_decay: float = 1e-4,
        processes: Processes = ALONE,
    ) -> None:
        group: dict[str, Any] = {"params": list(matrices), "momentum": momentum, "size": size}
        super().__init__([group, {"params": list(others)}], lr=lr, weight_decay=weight_decay, fused=True)
        self.processes = processes

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Gradients of matrices are used up: AdamW's own step sees only the others."""
        assert closure is None, "gradients are computed before the step"
        group = self.param_groups[0]
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        directions = [self._direction(parameter, group["momentum"]) for parameter in trained]
        for parameter, direction in zip(trained, self.processes.each(orthogonalised, directions), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            kernel = in_memory_order(parameter, parameter, 1)
            length = group["lr"] * group["size"] * max(direction.shape) ** 0.5
            kernel.sub_(direction.view(kernel.shape), alpha=length)
            parameter.grad = None
        super().step()

    def _direction(self, parameter: Tensor, momentum: float) -> Float[Tensor, "m n"]:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros(())  # not used; AdamW does not load a state without it
        mean = state["momentum"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp_(mean, momentum)  # Nesterov's look ahead
        direction = in_memory_order(ahead, parameter, 1).flatten(1)  # a matrix's columns may be in any order
        return direction.bfloat16() if has_bfloat16(direction.device) else direction


def new_optimizer(model: nn.Module, budget: Budget, processes: Processes = ALONE) -> torch.optim.Optimizer:
    """The optimiser that a budget names."""
    if budget.optimizer == "muon":
        return muon_for(model, budget.learning_rate, processes)
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=budget.learning_rate, weight_decay=1e-4, fused=True)


def muon_for(model: nn.Module, lr: float, processes: Processes) -> Muon:
    """Muon for the weights inside the model; AdamW for the layers that give its outputs (``to_*``, ``output``)."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = not any(part.startswith("to_") or part == "output" for part in name.split("."))
        if parameter.requires_grad:
            large = parameter.ndim >= 2 and min(len(parameter), parameter[0].numel()) >= LEAST_SIDE
            (matrices if inside and large else others).append(parameter)
    return Muon(matrices, others, lr, processes=processes)


def orthogonalised(matrix: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """About the nearest orthogonal matrix (singular values of 0.7 to 1.2), by five steps of a Newton-Schulz iteration.

    Each takes the singular values x to a x + b x^3 + c x^5. Those of less than a hundredth of the norm come out
    smaller; zero stays zero.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.mT if (tall := len(matrix) > matrix.shape[1]) else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        odd = torch.addmm(square, square, square, beta=b, alpha=c)  # b x^2 + c x^4
        x = torch.addmm(x, odd, x, beta=a)
    return x.mT if tall else x
