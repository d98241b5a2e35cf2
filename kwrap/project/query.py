"""Which experiments are asked for: filters, a sort key and an amount, applied to a listing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kwrap.analysis import fields
from kwrap.analysis import filter as filters
from kwrap.analysis import sort as sorting
from kwrap.analysis.fields import Row
from kwrap.repository.listing import Listing


def chosen(
    listing: Listing,
    texts: Sequence[str],
    sort: str | None,
    last: int | None,
    fulfils: Callable[[str], bool] | None,
    now_ns: int,
) -> tuple[list[str], dict[str, Row]]:
    """Their ids, in the order asked for, and the rows that were looked at. Raises FilterError.

    `fulfils` is asked last, of what the texts have left. Without any of them no row is looked at.
    """
    if not texts and not sort and fulfils is None:
        return listing.newest(last), {}
    found, listed = listing.newest(None), {}
    keys: Sequence[sorting.SortKey] = ()
    if texts or sort:
        rows = listing.rows(found, now_ns)
        listed = {str(row["id"]): row for row in rows}
        # Names are checked against all the experiments, and not only against those that one filter has left.
        known = fields.known_names(rows)
        keys = sorting.parse(sort, known) if sort else ()
        matches = filters.compile(texts, known, now_ns=now_ns) if texts else None
        found = [key for key, row in listed.items() if matches is None or matches(row)]
    if fulfils is not None:
        found = [key for key in found if fulfils(key)]
    if last is not None:
        found = found[-last:] if last > 0 else []
    if keys:
        found = [str(row["id"]) for row in sorting.apply([listed[key] for key in found], keys)]
    return found, listed


def running(listing: Listing, last: int | None, now_ns: int) -> list[str]:
    """Those that run, which takes no look at the others."""
    found = listing.running(now_ns)
    return found if last is None else found[-last:] if last > 0 else []
