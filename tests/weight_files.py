"""Weight files in the formats that trainers write, made of given tensors."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

_ALIGNMENT = 64  # of torch's archives


def safetensors(tensors: Mapping[str, bytes], metadata: Mapping[str, str] | None = None) -> bytes:
    """As the safetensors library lays them out: a header in JSON, padded to 8 bytes, then the tensors."""
    header: dict[str, object] = {"__metadata__": dict(metadata or {})}
    offset = 0
    for name, data in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


def torch_zip(tensors: Mapping[str, bytes], archive: str, pickle: bytes = b"\x80\x02}q\x00.") -> bytes:
    """As torch.save does: a ZIP archive, stored; members below the archive's name, their bytes at multiples of 64."""
    target = io.BytesIO()
    members = {
        f"{archive}/data.pkl": pickle,
        f"{archive}/byteorder": b"little",
        **{f"{archive}/data/{number}": data for number, data in enumerate(tensors.values())},
        f"{archive}/version": b"3\n",
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            before = target.tell() + 30 + len(name.encode()) + 4
            member.extra = struct.pack("<2sH", b"FB", -before % _ALIGNMENT) + b"Z" * (-before % _ALIGNMENT)
            out.writestr(member, data)
    return target.getvalue()


def keras(weights: bytes) -> bytes:
    """A .keras archive: configuration, and the weights as one member."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        out.writestr("metadata.json", '{"keras_version": "3.0.5"}')
        out.writestr("config.json", json.dumps({"module": "keras", "layers": ["dense"] * 100}))
        out.writestr("model.weights.h5", weights)
    return target.getvalue()


def write_sparse(path: Path, size_bytes: int) -> None:
    """A file of nothing but a hole."""
    with path.open("wb") as file:
        file.truncate(size_bytes)
