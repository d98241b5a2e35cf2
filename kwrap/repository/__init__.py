"""What experiments mean, as small objects over any storage. The format itself: docs/repository-format.md.

`repository` is what the rest of kwrap uses. Below it: `header` (is this a repository?), `record_objects` (records as
JSON), `index` (all records, gathered), `lookup` (from what a person types to an id), `series` and `segments` (output
and metrics), `content` with `trees`, `packs`, `pieces` and `compression` (files). `layout` spells names; `status` says
what records mean together, and `restore` puts files back.

What lists follow: `events` are written after records, `log_segments` hold many, which `compaction` makes; `told` is
what they say of an experiment. `following` brings the `cache` up to date; `listing` and `cached` answer from it, with
`rows`.
"""
