"""Documents are kept true: the example settings are every setting there is, and they load."""

from __future__ import annotations

import re
from pathlib import Path

from kwrap.config import OPTIONS, read_config
from kwrap.project.starting import example

ROOT = Path(__file__).parent.parent


def test_the_example_settings_are_what_init_writes() -> None:
    assert (ROOT / "kwrap.yaml.example").read_text() == example(), "write it anew with kwrap.project.starting.example"


def test_every_setting_of_the_example_is_known_and_none_is_missing(tmp_path: Path) -> None:
    text = (ROOT / "kwrap.yaml.example").read_text()
    uncommented = re.sub(r"(?m)^# (?=[a-z_]+:|  )", "", text)
    (tmp_path / "kwrap.yaml").write_text(uncommented)
    _, values = read_config(str(tmp_path))
    assert set(values) == {option.name for option in OPTIONS if option.key}


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
