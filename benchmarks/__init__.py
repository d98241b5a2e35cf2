"""Measurements of kwrap beside its peers; `python -m benchmarks.NAME`, results in `benchmarks/results/`."""
