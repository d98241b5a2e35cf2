"""Where files are cut: at tensors and members where a header tells of them, and soundly whatever it tells."""

from __future__ import annotations

import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from weight_files import keras, safetensors, torch_zip

from kwrap.repository.cuts import MAX_PIECE_BYTES, MIB, PIECE_BYTES, plan

KIB = 1024


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def cut(data: bytes) -> list[bytes]:
    """The pieces of a file; checked to be all of it, none empty and none too long."""
    lengths = plan(len(data), reader(data))
    assert lengths == plan(len(data), reader(data))
    assert sum(lengths) == len(data)
    assert all(0 < length <= MAX_PIECE_BYTES for length in lengths)
    assert len(lengths) <= 4 + 4 * len(data) // MIB
    pieces, offset = [], 0
    for length in lengths:
        pieces.append(data[offset : offset + length])
        offset += length
    return pieces


def tensor(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def is_fixed(data: bytes) -> bool:
    return [len(piece) for piece in cut(data)] == [
        min(PIECE_BYTES, len(data) - start) for start in range(0, len(data), PIECE_BYTES)
    ]


SIZES = {"embedding": 5 * MIB, "bias": 3 * KIB, "norm": 700, "up": 2 * MIB, "down": MIB, "tail": 10}
TENSORS = {name: tensor(size, number) for number, (name, size) in enumerate(SIZES.items())}


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES])
def test_a_small_file_is_one_piece(size: int) -> None:
    data = bytes(size)
    assert cut(data) == ([data] if data else [])


def test_a_file_of_no_known_format_is_cut_every_4_mib() -> None:
    assert is_fixed(tensor(9 * MIB + 5, 1))


def test_safetensors_are_cut_at_large_tensors_and_small_ones_are_merged() -> None:
    pieces = cut(safetensors(TENSORS))
    assert pieces[0][:1] != b"{" and pieces[0][8:9] == b"{"
    assert pieces[1:] == [
        TENSORS["embedding"][: 4 * MIB],
        TENSORS["embedding"][4 * MIB :],
        TENSORS["bias"] + TENSORS["norm"],
        TENSORS["up"],
        TENSORS["down"],
        TENSORS["tail"],
    ]


def test_many_small_tensors_make_few_pieces() -> None:
    small = {f"layer.{number}.bias": tensor(3000 + number, number) for number in range(3000)}
    pieces = cut(safetensors(small))
    assert len(pieces) <= 14
    assert all(len(piece) >= MIB for piece in pieces[1:-1])


@pytest.mark.parametrize("archive", ["model", "a much longer name of a checkpoint, step 1000"])
def test_members_of_a_torch_archive_are_pieces_whatever_it_is_called(archive: str) -> None:
    pieces = cut(torch_zip(TENSORS, archive))
    assert TENSORS["embedding"][: 4 * MIB] in pieces
    assert TENSORS["embedding"][4 * MIB :] in pieces
    assert TENSORS["up"] in pieces
    assert TENSORS["down"] in pieces


def test_the_weights_in_a_keras_file_are_cut_from_their_own_beginning() -> None:
    weights = tensor(9 * MIB, 7)
    assert {weights[: 4 * MIB], weights[4 * MIB : 8 * MIB], weights[8 * MIB :]} <= set(cut(keras(weights)))


def test_the_arrays_of_an_npz_are_pieces(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    arrays = {name: numpy.frombuffer(tensor(3 * MIB, seed), dtype="f4") for seed, name in enumerate("abc")}
    numpy.savez(tmp_path / "model.npz", **arrays)
    pieces = cut((tmp_path / "model.npz").read_bytes())
    for array in arrays.values():
        assert any(piece.endswith(array.tobytes()) and len(piece) < len(array.tobytes()) + 200 for piece in pieces)


def test_large_files_have_pieces_of_up_to_16_mib() -> None:
    header = safetensors({"a": b""}).replace(b"[0,0]", b"[0,%d]" % (70 * MIB))
    header = struct.pack("<Q", len(header) - 8) + header[8:]
    size = len(header) + 70 * MIB
    lengths = plan(size, lambda offset, length: header[offset : offset + length])
    assert lengths == [len(header), *[16 * MIB] * 4, 6 * MIB]


def test_an_archive_beyond_32_bits_is_cut_at_its_members(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as out:
        with out.open("large/data/0", "w", force_zip64=True) as member:
            member.write(tensor(6 * MIB, 1))
        out.writestr("large/data/1", tensor(2 * MIB, 2))
    data = bytearray(path.read_bytes())
    # The same, as it is written where sizes and offsets need 64 bits: in the extra field, and in the longer end.
    at = data.rfind(b"PK\x01\x02")
    assert at > 0
    entry, rest = bytes(data[at : data.rfind(b"PK\x05\x06")]), bytes(data[data.rfind(b"PK\x05\x06") :])
    size, stored, header_at = entry[24:28], entry[20:24], entry[42:46]
    wide = b"".join(struct.unpack("<L", field)[0].to_bytes(8, "little") for field in (size, stored, header_at))
    full = b"\xff" * 4
    entry = (
        (entry[:20] + full + full + entry[28:30] + struct.pack("<H", len(wide) + 4) + entry[32:42] + full + entry[46:])
        + struct.pack("<HH", 1, len(wide))
        + wide
    )
    directory_at = struct.unpack("<L", rest[16:20])[0]
    body = bytes(data[:at]) + entry
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, len(body) - directory_at, directory_at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(body), 1)
    path.write_bytes(body + end_64 + locator + rest[:12] + full + full + rest[20:])
    with zipfile.ZipFile(path) as found:
        assert found.read("large/data/1") == tensor(2 * MIB, 2)
    assert tensor(2 * MIB, 2) in cut(path.read_bytes())


# Headers that nobody should believe


def with_header(text: bytes, said: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if said is None else said) + text + bytes(5 * MIB)


LIES = {
    "no JSON": lambda: with_header(b"{" * 10),
    "nothing in it": lambda: with_header(b"{}"),
    "beyond the end": lambda: with_header(b'{"a":{"data_offsets":[0,99999999999]}}'),
    "far beyond the end": lambda: with_header(b'{"a":{"data_offsets":[999999999999999999,999999999999999999]}}'),
    "ends before it begins": lambda: with_header(b'{"a":{"data_offsets":[9,3]}}'),
    "overlapping": lambda: with_header(b'{"a":{"data_offsets":[0,2000000]},"b":{"data_offsets":[1000000,3000000]}}'),
    "negative": lambda: with_header(b'{"a":{"data_offsets":[-1,3]}}'),
    "as long as 64 bits can say": lambda: with_header(b"{", (1 << 64) - 1),
    "longer than it is": lambda: with_header(b"{", 4 * MIB + 3),
    "deep": lambda: with_header(b"{" * MIB + b"}" * MIB),
    "a hundred thousand of nothing": lambda: with_header(b'"data_offsets":[0,0]' * 100_000),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_not_followed(lie: str) -> None:
    data = LIES[lie]()
    assert is_fixed(data)


def test_a_header_longer_than_is_read_is_not_followed() -> None:
    asked = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append(length)
        return (struct.pack("<Q", 1 << 30) + b"{")[offset : offset + length]

    assert plan(2 << 30, read_at) == [PIECE_BYTES] * 512
    assert sum(asked) < 100


@pytest.mark.parametrize("cut_off", [1, 20, 23, 100, 3 * MIB])
def test_a_truncated_archive_is_cut_anyhow(cut_off: int) -> None:
    cut(torch_zip(TENSORS, "model")[:-cut_off])


def test_an_archive_whose_directory_leads_astray_is_cut_anyhow() -> None:
    data = bytearray(torch_zip(TENSORS, "model"))
    at = data.rfind(b"PK\x01\x02")
    data[at + 42 : at + 46] = b"\xf0\xff\xff\xff"  # a member's header is far beyond the end
    assert is_fixed(bytes(data))


FILES = [safetensors(TENSORS), torch_zip(TENSORS, "m"), keras(TENSORS["embedding"])]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(range(len(FILES))),
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.binary(min_size=1, max_size=12)), max_size=6),
    st.floats(0.4, 1),
)
@example(0, [(0.0, False, b"\xff" * 8)], 1.0)
def test_whatever_a_file_says_all_of_it_is_cut(
    which: int, changes: list[tuple[float, bool, bytes]], kept: float
) -> None:
    data = bytearray(FILES[which])
    for where, at_end, change in changes:  # headers are at the beginning and at the end
        span = 600
        start = len(data) - span if at_end else 0
        offset = start + int(where * (span - len(change)))
        data[offset : offset + len(change)] = change
    cut(bytes(data[: int(len(data) * kept)]))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 3 * MIB), max_size=12),
    st.sampled_from(["safetensors", "torch"]),
    st.text("abc", max_size=30),
)
def test_any_tensors_are_cut_soundly(sizes: list[int], kind: str, name: str) -> None:
    tensors = {f"t{number}": bytes([number]) * size for number, size in enumerate(sizes)}
    cut(safetensors(tensors, {"name": name}) if kind == "safetensors" else torch_zip(tensors, name or "m"))
