"""Keepsake's repositories, format version 1: read in place, brought into kwrap's own format, and written for Keepsake.

An experiment of Keepsake's is one JSON file, with all its checkpoints in it, and a gzipped tar for its code and for
each checkpoint's files. What is read becomes the same records as everywhere else, with Keepsake's own ids in them.
"""
