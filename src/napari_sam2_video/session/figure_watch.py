"""Which objects changed since the last look, so that only their figures need to be computed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_video.session.prompts import split_key

if TYPE_CHECKING:
    from napari_sam2_video.session.context import Context


@dataclass(frozen=True)
class ChangedFigures:
    """What changed in the figures, prompts, paint or acceptance of a session's objects, or in which of them are dirty.

    Parameters
    ----------
    everything : bool
        Anything may have changed.
    objects : frozenset of int
        Objects that changed.
    painted : frozenset of int
        Frames whose paint changed, which may change every object that has or had a mask or paint there.
    """

    everything: bool = False
    objects: frozenset[int] = frozenset()
    painted: frozenset[int] = frozenset()


class FigureWatch:
    """Says what changed since the last look.

    It watches `Session.scores_of` and `Session.dirty`, and the prompted, painted and accepted frames.

    Parameters
    ----------
    context : Context
        The open session.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._mark: int | None = None
        self._masks = 0
        self._checks: dict[int, int] = {}

    def changed(self) -> ChangedFigures:
        """What changed since the last call; everything at the first one."""
        context = self._context
        # The tables first: a change in between is then reported twice, and none is missed.
        self._mark, rows = context.state.changed_since(self._mark)
        self._masks, masks = context.masks.changed_since(self._masks)
        before, self._checks = self._checks, context.checks.counts()
        objects = masks | {number for number, count in self._checks.items() if count != before.get(number)}
        painted: set[int] = set()
        for table, key in rows or ():
            if table == "accepted":
                objects.add(int(key))
            elif table in ("prompts", "conditioned"):
                objects.add(split_key(key)[0])
            elif table == "paint":
                painted.add(int(key))
            elif table == "removed":
                # Paint of a removed object no longer covers others.
                painted.update(context.masks.painted())
        everything = rows is None or any(table == "model" for table, _ in rows)
        return ChangedFigures(everything, frozenset(objects), frozenset(painted))
