"""Text in, metric points out: pure, streaming, linear in the text, in bounded memory.

The stages, in order: `lines` (bytes of two streams to whole lines, with a cap) → `candidates` (one look at a whole block
says which lines may hold a number of interest) → `terminal` (colours come off) → the recognisers, one file each
(`user_patterns`, `json_lines`, `key_value`), which make of a line a `Reading` → `axes` (which step and epoch a reading
belongs to) → `extractor`, which joins them and makes points. `names` knows what words mean, `numbers` how a number is
written, `layouts` reads runs of equal lines at once. `summary` is what remains of points when they have gone by.

No files, no threads, no clock but the one that keeps a user's pattern from taking for ever.
"""
