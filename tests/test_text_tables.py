"""Tables as text, to the letter."""

from __future__ import annotations

from featurenerf.text_tables import columns, markdown


def test_names_are_set_to_the_left_and_numbers_to_the_right() -> None:
    table = markdown(["", "a", "b"], [["x", "1", "2"], ["y", "3", "4"]])
    assert table == "|  | a | b |\n| --- | ---: | ---: |\n| x | 1 | 2 |\n| y | 3 | 4 |"
    assert markdown(["a", "b"], [], names=2) == "| a | b |\n| --- | --- |"


def test_a_column_is_as_wide_as_its_longest_cell() -> None:
    assert columns([("name", "n"), ("a", "10"), ("long one", "")]) == "name      n\na         10\nlong one"
