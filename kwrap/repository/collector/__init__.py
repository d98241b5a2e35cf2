"""Freeing what nothing names any more, beside writers that take no lock.

    condemned   what lies below gc/: lists of content that is about to be deleted, and how far each of them is
    guard       what every writer of content does before it commits
    lock        one collector at a time
    reachable   which content the records name
    removed     experiments and checkpoints that were removed, and the end of their records
    collect     the collector: condemn, announce, look again, delete

Why it holds is told in docs/decisions/0007-collecting-beside-writers.md.
"""
