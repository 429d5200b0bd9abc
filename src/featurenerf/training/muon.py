"""Muon: momentum whose direction is made orthogonal, which trains the fast field in far fewer steps than AdamW does.

``torch.optim.Muon`` (PyTorch 2.9) takes matrices only; most of this program's weights are kernels of convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEAST_SIDE = 32
"""A weight is treated as a matrix if it has at least so many outputs, and as many inputs."""
_COEFFICIENTS = ((3.4445, -4.7750, 2.0315),) * 5
"""Of x -> a x + b x^3 + c x^5, applied to the singular values in turn: [0.01, 1] comes to lie around 1."""


class Muon(torch.optim.Optimizer):
    """Muon for matrices and kernels, AdamW for everything else.

    A step along the nearest orthogonal matrix changes what a layer does equally in all directions, where that of Adam
    is ruled by a few. Its size does not depend on a layer's shape, so that both share a learning rate.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the scale is that of
    J. Liu et al., "Muon is scalable for LLM training" (2025), section 2.2.

    Args:
        matrices: weights, (out, in, ...), that are treated as matrices (out, in * ...).
        others: parameters for AdamW (I. Loshchilov, F. Hutter, ICLR 2019).
        size: root mean square of a matrix's step, in learning rates; AdamW's is 0.2 to 0.4.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        size: float = 0.5,
        weight_decay: float = 1e-4,
    ) -> None:
        groups = [{"params": list(matrices), "matrices": True}, {"params": list(others), "matrices": False}]
        settings = {"lr": lr, "momentum": momentum, "betas": betas, "size": size, "weight_decay": weight_decay}
        super().__init__(groups, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None, "gradients are computed before the step"
        for group in self.param_groups:
            update = self._along_matrix if group["matrices"] else self._along_adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.sub_(update(parameter, parameter.grad, group), alpha=group["lr"])

    def _along_matrix(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        mean = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        direction = gradient.lerp(mean, group["momentum"]).flatten(1)  # (out, in): Nesterov's look ahead
        scale = group["size"] * max(direction.shape) ** 0.5
        return orthogonalised(direction).mul_(scale).view_as(parameter)

    def _along_adam(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state.update(
                step=torch.zeros((), device=parameter.device),
                mean=torch.zeros_like(parameter),
                square=torch.zeros_like(parameter),
            )
        first, second = group["betas"]
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        age = state["step"]
        return mean / (1 - first**age) / ((square / (1 - second**age)).sqrt_() + 1e-8)


def muon_for(model: nn.Module, lr: float) -> Muon:
    """Muon for the weights inside the model; AdamW for the layers that give its outputs (``to_*``, ``output``)."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = not any(part.startswith("to_") or part == "output" for part in name.split("."))
        if parameter.requires_grad:
            large = parameter.ndim >= 2 and min(len(parameter), parameter[0].numel()) >= LEAST_SIDE
            (matrices if inside and large else others).append(parameter)
    return Muon(matrices, others, lr)


def orthogonalised(matrix: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """About the nearest orthogonal matrix (singular values of 0.7 to 1.2), by a Newton-Schulz iteration in bfloat16.

    Singular values of less than a hundredth of the norm come out smaller; zero stays zero.
    """
    x = matrix.bfloat16()
    if tall := len(x) > x.shape[1]:
        x = x.mT
    x = x / (x.norm() + 1e-7)
    for a, b, c in _COEFFICIENTS:
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrix.dtype)
