"""What a code snapshot leaves out by name, without anybody having written an ignore file.

Owns the lists; reads nothing. Junk is what tools make again by themselves and is left out silently; secrets are left
out and named, so that nobody learns at checkout that a key was missing. Names are compared in lower case.

On the path to the child's start, so: one expression, and sets.
"""

from __future__ import annotations

import re

# Left out in git work trees too: repositories, ours included, and what Python makes.
_ALWAYS = frozenset({b".git", b".hg", b".svn", b".kwrap", b".keepsake", b"__pycache__"})
# Left out where no git says what is source.
_DIRECTORIES = _ALWAYS | {
    b".bzr",
    b"node_modules",
    b"bower_components",
    b".venv",
    b"site-packages",
    b".mypy_cache",
    b".ruff_cache",
    b".pytest_cache",
    b".hypothesis",
    b".import_linter_cache",
    b".tox",
    b".nox",
    b".eggs",
    b".cache",
    b".ipynb_checkpoints",
    b".gradle",
    b".terraform",
    b".idea",
    b".guild",
    b".aim",
    b".neptune",
}
# What other trackers write. A package of that name (it has an `__init__.py`) is source.
_RECORDS = frozenset({b"wandb", b"mlruns", b"mlartifacts", b"lightning_logs"})
_FILES = frozenset({b".ds_store", b"thumbs.db", b"desktop.ini", b".coverage"}) | _ALWAYS
_FILE_SUFFIXES = (b".pyc", b".pyo", b".swp", b".swo")

# A directory that holds one of these is a Python environment.
ENVIRONMENT_MARKS = frozenset({b"pyvenv.cfg", b"conda-meta"})

_SECRET_NAME = re.compile(
    rb"""
      \.env(?:rc|\.(?!(?:example|sample|template|dist|defaults)\Z).*)?
    | (?!example\.|sample\.|template\.).*\.env
    | id_(?:rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk)
    | .*\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|tfstate)
    | [._]netrc | \.pgpass | \.my\.cnf | \.npmrc | \.yarnrc\.yml | \.pypirc | \.htpasswd | \.git-credentials
    | \.s3cfg | \.boto | \.dockercfg | \.databrickscfg | \.cdsapirc | \.modal\.toml | \.vault-token
    | kaggle\.json | credentials\.json | client_secrets?.*\.json | service[-_]account.*\.json
    | application_default_credentials\.json | secrets\.(?:toml|ya?ml|json)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
# Names that are harmless but for the hidden directory they lie in.
_SECRET_PLACES = frozenset(
    {
        (b".aws", b"credentials"),
        (b".docker", b"config.json"),
        (b".kube", b"config"),
        (b".huggingface", b"token"),
    }
)
# Everything below these.
_SECRET_DIRECTORIES = frozenset({b".ssh", b".gnupg"})


def is_always_junk(directory: bytes) -> bool:
    """Whether directories of this name (the last part of a path) are left out even where git tracks them."""
    return directory.lower() in _ALWAYS


def is_junk_directory(name: bytes) -> bool:
    """Whether directories of this name are left out outside git."""
    lower = name.lower()
    return lower in _DIRECTORIES or lower.endswith(b".egg-info")


def is_record_directory(name: bytes) -> bool:
    """Whether this is another tracker's directory, unless it holds an `__init__.py`."""
    return name.lower() in _RECORDS


def is_junk_file(name: bytes) -> bool:
    """Whether files of this name are left out outside git."""
    lower = name.lower()
    return lower in _FILES or lower.endswith(_FILE_SUFFIXES)


def is_secret(directory: bytes, name: bytes) -> bool:
    """Whether a file, by its name and the path of its directory, usually holds a key or a password."""
    if _SECRET_NAME.fullmatch(name) is not None:
        return True
    if not directory.startswith(b".") and b"/." not in directory:  # all such places are hidden directories
        return False
    parts = directory.lower().split(b"/")
    return (parts[-1], name.lower()) in _SECRET_PLACES or not _SECRET_DIRECTORIES.isdisjoint(parts)
