"""URLs of buckets."""

from __future__ import annotations

import pytest

from kwrap import config
from kwrap.errors import StorageError
from kwrap.storage.bucket_url import BucketURL, is_bucket, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://my-runs", BucketURL("s3", "my-runs", "", {})),
        ("s3://my-runs/", BucketURL("s3", "my-runs", "", {})),
        ("S3://my.runs/team/vision/", BucketURL("s3", "my.runs", "team/vision/", {})),
        ("gs://my_runs/a b/ü", BucketURL("gs", "my_runs", "a b/ü/", {})),
        (
            "s3://my-runs/x?endpoint_url=http://h:9000/&region=eu-west-1&profile=ada",
            BucketURL(
                "s3",
                "my-runs",
                "x/",
                {"endpoint_url": "http://h:9000", "region": "eu-west-1", "profile": "ada"},
            ),
        ),
        ("s3://my-runs?profile=a%26b", BucketURL("s3", "my-runs", "", {"profile": "a&b"})),
        ("gs://my-runs/x?project=vision", BucketURL("gs", "my-runs", "x/", {"project": "vision"})),
    ],
)
def test_a_url_says_all_and_comes_back_the_same(url: str, expected: BucketURL) -> None:
    assert is_bucket(url)
    assert parse(url) == expected
    assert parse(parse(url).url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3:///x", "s3://ab", "s3://My-Runs/x", "s3://my_runs/x", "s3://-runs/x", "s3://a..b/x",
        "s3://key:secret@runs/x", "s3://runs/a//b", "s3://runs/../x", "s3://runs/a/./b", "s3://runs/a#b",
        "s3://runs/" + "x" * 513, "s3://runs/x?endpoint=http://h", "s3://runs/x?region=", "gs://runs/x?region=eu",
        "s3://runs/x?endpoint_url=localhost:9000", "s3://runs/x?endpoint_url=http://key:secret@host",
        "s3://runs/x?endpoint_url=ftp://host", "s3://runs/a\nb",
    ],
)  # fmt: skip
def test_what_can_be_no_bucket_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(StorageError) as raised:
        parse(url)
    assert raised.value.hint
    assert "secret" not in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize("url", ["runs", "/var/runs", "file:///runs", "s3:/runs", "memory:s3", "odd/s3://x"])
def test_what_is_no_bucket_is_a_directory(url: str) -> None:
    assert not is_bucket(url)


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [
        ("s3://runs/x", None, "s3://runs/x?endpoint_url=http://h:9000"),
        ("s3://runs/x?region=eu", None, "s3://runs/x?region=eu&endpoint_url=http://h:9000"),
        ("s3://runs/x?endpoint_url=http://other", None, "s3://runs/x?endpoint_url=http://other"),
        ("s3://runs/x", "s3://mine", "s3://mine?endpoint_url=http://h:9000"),
        ("gs://runs/x", None, "gs://runs/x"),
        ("runs", None, "/project/runs"),
        (None, None, "/project/.kwrap"),
    ],
)
def test_a_configured_endpoint_becomes_part_of_the_url(
    configured: str | None, given: str | None, expected: str
) -> None:
    assert config.repository_url(configured, given, "/project", "/project", "http://h:9000") == expected


def test_an_endpoint_with_odd_characters_comes_through() -> None:
    url = config.repository_url("s3://runs/x", None, "/", "/", "http://h/a%20b&c")
    assert parse(url).parameters == {"endpoint_url": "http://h/a%20b&c"}
