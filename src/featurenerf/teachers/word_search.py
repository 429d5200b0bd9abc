"""Asking a field in words: which of its points are most like "seat", most like "leg"."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.fields.regions import PointValues
from featurenerf.models.checkpoint import TEACHER, directory_of, read_config
from featurenerf.teachers import DEFAULT, Teacher, load_teacher, parse, trained_with
from featurenerf.teachers.projection import Projection


def has_words(checkpoint: str | os.PathLike[str], teacher: str | None = None) -> bool:
    """Whether fields of a checkpoint can be asked in words, by what it says of its teacher. No weights are read.

    Args:
        teacher: as of ``WordSearch.of``.
    Raises:
        InputError: there is no such checkpoint or teacher.
    """
    recorded = read_config(directory_of(checkpoint)).get("teacher")
    name = teacher or (str(recorded.get("name")) if isinstance(recorded, Mapping) else DEFAULT)
    return getattr(parse(name.partition(":")[0])[1], "facet", None) == "words"


class WordSearch:
    """Scores the features of a field by words.

    The field was distilled from a teacher whose features can be compared with words (CLIP or SigLIP, facet ``words``).
    It predicts the feature's principal components; they are taken back to the teacher's own space and compared with
    what the teacher's text side makes of the words.
    """

    def __init__(self, teacher: Teacher, projection: Projection) -> None:
        """From a teacher with a text side, and the projection of its features to those that the field predicts.

        Raises:
            InputError: when the two do not belong together.
        """
        if len(projection.mean) != teacher.dim:
            raise InputError(
                f"features of {teacher.name} have {teacher.dim} numbers, and the field was distilled from features of "
                f"{len(projection.mean)}: give the teacher that it was trained with"
            )
        self.teacher, self.projection = teacher, projection

    @classmethod
    def of(cls, checkpoint: str | os.PathLike[str], teacher: str | None = None) -> WordSearch:
        """For the fields of a checkpoint: a directory, or the name of one that ships with the package.

        Args:
            teacher: where the teacher's weights are now, if not where they were in training (``clip-b16:PATH``).
        Raises:
            InputError: when the checkpoint does not keep its projection, or the teacher has no text side.
        """
        directory = directory_of(checkpoint)
        config, projection = read_config(directory), Projection.read(directory / TEACHER)
        return cls(load_teacher(teacher) if teacher else trained_with(config), projection)

    def scores(self, features: Float[Tensor, "*n k"], words: Sequence[str]) -> Float[Tensor, "*n w"]:
        """Cosine similarity of each feature to each of the words.

        Compare the scores of one place among several words, or of one word among several places: their absolute
        height says little. Raises InputError when the teacher has no text side, or there are no words.
        """
        if not words:
            raise InputError("there are no words to score by: give at least one")
        embedded = F.normalize(self.teacher.embed_text(words).to(features), dim=-1)
        full = self.projection.to(features.device).back(features)
        return F.normalize(full, dim=-1) @ embedded.T


@dataclass(frozen=True, eq=False)
class Named:
    """The points of a field that are more like one word than like others (a ``fields.regions.Region``).

    Attributes:
        words: at least two; the first is the one that is meant.
    """

    search: WordSearch
    words: tuple[str, ...]
    channels: tuple[str, ...] = ("feature",)

    def __call__(self, points: Float[Tensor, "n 3"], values: PointValues) -> Bool[Tensor, " n"]:
        if len(self.words) < 2:
            raise InputError("a part is found by what it is more like than others: give two words or more")
        return self.search.scores(values["feature"], self.words).argmax(-1) == 0
