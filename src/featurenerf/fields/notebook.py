"""What notebooks show of rendered views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featurenerf.pca import principal_components
from featurenerf.pictures import to_image, to_png

HEIGHT, ROWS = 160, 4
"""Of each picture, in pixels; and how many views of a batch are shown."""


def png(views: Sequence[Mapping[str, Tensor]]) -> bytes | None:
    """A row a view, as a PNG file: its colours, depth (bright is near) and descriptors (three principal components of
    this picture, as red, green and blue), as far as it has them, on white. None where there is nothing to show."""
    singles = [single for view in views for single in _singles(view)][:ROWS]
    rows = [torch.cat(panels, 1) for view in singles if (panels := _panels(view))]
    if not rows or min(rows[0].shape) == 0:
        return None
    image = to_image(torch.cat(rows).permute(2, 0, 1))
    scale = max(1, round(HEIGHT / rows[0].shape[0]))
    return to_png(image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST))


def _singles(view: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The views of a batch; a view that is none is the only one."""
    values = {name: value.detach().float().cpu() for name, value in view.items()}
    batch = next(iter(values.values())).shape[:-3] if values else ()
    return [{name: value[i] for name, value in values.items()} for i in range(batch[0])] if batch else [values]


def _panels(view: Mapping[str, Tensor]) -> list[Float[Tensor, "h w 3"]]:
    alpha = view.get("alpha")
    if alpha is None:
        alpha = torch.ones_like(next(iter(view.values()))[..., :1]) if view else torch.zeros(0, 0, 1)
    met = alpha[..., 0] > 0.5
    shown = [view["rgb"] + (1 - alpha)] if "rgb" in view else []
    if "depth" in view and met.any():
        depth = view["depth"] / alpha.clamp(min=1e-3)
        nearness = 1 - 0.8 * _spread(depth[met], depth)
        shown.append((alpha * nearness + (1 - alpha)).expand(-1, -1, 3))
    described = view.get("descriptor", view.get("feature"))
    if described is not None and described.shape[-1] >= 3 and int(met.sum()) >= 4:
        units = described / described.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        main = principal_components(units[met], 3).project(units)
        shown.append(alpha * _spread(main[met], main) + (1 - alpha))
    return shown


def _spread(known: Float[Tensor, "n c"], values: Float[Tensor, "h w c"]) -> Float[Tensor, "h w c"]:
    """Values from 0 at the 2nd to 1 at the 98th percentile of what is known."""
    low, high = torch.quantile(known, torch.tensor([0.02, 0.98]), dim=0)
    return ((values - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
