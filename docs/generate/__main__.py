"""Write the pages of the documentation that are generated from the code (`make docs`)."""

from pathlib import Path

from docs.generate.pages import pages

DOCS = Path(__file__).parents[1]


def main() -> None:
    """Write every generated page into `docs/` and print its path."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(DOCS / name)  # noqa: T201 - the output of a development command


if __name__ == "__main__":
    main()
