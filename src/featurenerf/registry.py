"""Things that are asked for by name: those of this package, and those that other packages add by entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Generic, TypeVar

from featurenerf.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named values of one type. ``registry[name]`` raises InputError for an unknown name.

    Another package adds a value in its ``pyproject.toml``; it is imported when it is first asked for::

        [project.entry-points."featurenerf.teachers"]
        edges = "edges:CARD"
    """

    def __init__(self, kind: str, kind_type: type[T], own: Mapping[str, T]) -> None:
        """
        Args:
            kind: what a value is, in messages; the entry points' group is ``featurenerf.<kind>s``.
            own: the values that come with this package; their names cannot be taken over.
        """
        self.kind, self.type, self.own = kind, kind_type, MappingProxyType(dict(own))
        self.group = f"featurenerf.{kind}s"

    def names(self) -> list[str]:
        """Every name that can be asked for."""
        return [*self.own, *sorted({point.name for point in entry_points(group=self.group)} - {*self.own})]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        found = [point for point in entry_points(group=self.group) if point.name == name]
        if not found:
            raise InputError(f"there is no {self.kind} {name!r}; there are: {', '.join(self.names())}")
        try:
            loaded = found[0].load()
        except Exception as error:  # another package's code: anything may happen
            raise InputError(f"the {self.kind} {name!r} of {found[0].value} cannot be imported: {error!r}") from error
        if not isinstance(loaded, self.type) or getattr(loaded, "name", name) != name:
            wanted = f"a {self.type.__name__} of that name"
            raise InputError(f"the {self.kind} {name!r} is not usable: {found[0].value} is not {wanted}")
        return loaded
