"""Seeds of two sorts: settings are chosen on the ones and reported on the others."""

from __future__ import annotations

CHOOSING = range(10_000)
REPORTING = range(10_000, 20_000)


def seeds(count: int, *, reporting: bool) -> list[int]:
    """The first `count` seeds for reporting or for choosing.

    Raises
    ------
    ValueError
        If there are not that many.
    """
    pool = REPORTING if reporting else CHOOSING
    if not 0 < count <= len(pool):
        raise ValueError(f"There are {len(pool)} seeds of a sort; {count} were asked for.")
    return list(pool[:count])
