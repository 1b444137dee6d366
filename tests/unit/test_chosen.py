"""Names picked with commas are known ones, each once."""

import pytest

from m2m_rt.app.chosen import chosen
from m2m_rt.errors import ConfigError


def test_named_ones_are_taken_and_all_where_none_is_named() -> None:
    assert chosen("--splits", "b, a", ("a", "b", "c")) == ("b", "a")
    assert chosen("--splits", None, ("a", "b", "c")) == ("a", "b", "c")


@pytest.mark.parametrize("given", ["a,d", "a,a", ""])
def test_unknown_or_repeated_names_are_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="--splits: found"):
        chosen("--splits", given, ("a", "b"))
