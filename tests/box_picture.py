"""A picture of a box, for tests of what is done with pictures."""

from __future__ import annotations

import torch


def box_picture(height: int, width: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    """An opaque box (top, bottom, left, right) with four coloured quarters on transparent ground."""
    top, bottom, left, right = box
    picture = torch.zeros(4, height, width)
    picture[3, top:bottom, left:right] = 1
    picture[0, top : (top + bottom) // 2] = 1
    picture[1, :, left : (left + right) // 2] = 1
    return picture
