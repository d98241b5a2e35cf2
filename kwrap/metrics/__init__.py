"""Text in, metric points out: pure, streaming, linear in the text, in bounded memory.

The stages, in order: `lines` (the bytes of a stream to whole lines, with a cap) → `candidates` (one look at a whole
block says which lines may hold a number of interest) → `terminal` (colours come off) → the recognisers, one file each
(`user_patterns`, `json_lines`, `key_value`), which make a `Reading` of a line → `axes` (which step and epoch a reading
belongs to). `stream` joins them for one stream, `extractor` for an output of two. `names` knows what words mean,
`numbers` how a number is written, `layouts` reads runs of like lines at once. `summary` is what remains of points.

No files, no threads, no clock but the one that keeps a user's pattern from taking for ever.
"""
