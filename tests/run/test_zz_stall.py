from __future__ import annotations
import time
from bucket import Bucket, check_complete, greatest_gap_s, training
from proxy import PASS, STALL, Proxy
from test_bucket_gone import bucket
from support import wait_until
def test_it(bucket, kwrap, tmp_path):
    process = kwrap.start(training(150, 50), "--repository", bucket.url)
    bucket.wait_for("metadata/experiments/")
    bucket.proxy.decide = lambda request: STALL
    wait_until(lambda: b"exited" in (kwrap.run_directories()[0] / "journal.jsonl").read_bytes(), what="the end")
    b=time.monotonic()
    output, errors = process.communicate(timeout=700)
    print("after the end", time.monotonic()-b, greatest_gap_s(output), errors)
    assert 0
