"""Writes the diagram made from the daemon table into the README.

`python tools/update_diagram.py` rewrites it; `--check` only says whether it is current.
"""

import sys
from pathlib import Path

from m2m_rt.app.diagram import daemon_diagram
from m2m_rt.errors import DataError

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- made by tools/update_diagram.py -->\n```mermaid\n"
END = "\n```\n<!-- end -->"


def with_diagram(text: str) -> str:
    """Return a README's text with the present diagram in it.

    Raises
    ------
    DataError
        If the text has no place for it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise DataError(f"{README}: no place for the diagram")
    return f"{before}{BEGIN}{daemon_diagram()}{END}{after}"


def main(arguments: list[str]) -> int:
    """Rewrite the README, or check it; 1 if it was not current."""
    text = README.read_text(encoding="utf-8")
    current = with_diagram(text)
    if "--check" not in arguments:
        README.write_text(current, encoding="utf-8")
    return int(current != text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
