"""Seeds of two sorts: settings are chosen on the ones and reported on the others."""

from __future__ import annotations

CHOOSING = range(10_000)
REPORTING = range(10_000, 20_000)


def seeds(count: int, *, reporting: bool, first: int = 0) -> list[int]:
    """`count` seeds for reporting or for choosing, the first of them if not said otherwise.

    Raises
    ------
    ValueError
        If there are not that many.
    """
    pool = REPORTING if reporting else CHOOSING
    if not (count > 0 and 0 <= first <= len(pool) - count):
        raise ValueError(f"There are {len(pool)} seeds of a sort; {count} from {first} on were asked for.")
    return list(pool[first : first + count])
