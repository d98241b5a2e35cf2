"""Documents are kept true: the example settings are every setting there is, and they load."""

from __future__ import annotations

import re
from pathlib import Path

from kwrap.project.starting import example

ROOT = Path(__file__).parent.parent


def test_the_example_settings_are_what_init_writes() -> None:
    assert (ROOT / "kwrap.yaml.example").read_text() == example(), "write it anew with kwrap.project.starting.example"


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
