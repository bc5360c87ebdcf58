"""Where a person should look next: doubtful frames, and what other parts of the session ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from napari_sam2_video.analysis.review import review_queue, review_table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects

LEAST_DOUBT = 0.2
SPACING = 3


class ReviewSource(Protocol):
    """A part of a session that has something for a person to look at."""

    def review_items(self) -> Sequence[ReviewItem]:
        """What to look at now; it may be called from any thread."""
        ...


class Review:
    """The review of a session.

    Parameters
    ----------
    context : Context
        The open session.
    objects : Objects
        Its objects.
    scores : callable
        Figures of an object by its id, as of `Session.scores`.
    sources : sequence of ReviewSource
        Parts of the session that add items to the queue.
    """

    def __init__(
        self,
        context: Context,
        objects: Objects,
        scores: Callable[[int], Mapping[str, npt.NDArray[Any]]],
        sources: Sequence[ReviewSource] = (),
    ) -> None:
        self._context = context
        self._objects = objects
        self._scores = scores
        self._sources = tuple(sources)

    def table(self, objects: Collection[int] | None = None) -> Table:
        """What the doubt is computed from; see `Session.review_table`."""
        chosen = [entry.id for entry in self._objects.all()] if objects is None else sorted(set(objects))
        return review_table({number: self._scores(number) for number in chosen}, self._context.view.shape_yx)

    def queue(
        self,
        objects: Collection[int] | None,
        *,
        threshold: float,
        spacing: int,
        limit: int | None,
        table: Table | None,
    ) -> tuple[ReviewItem, ...]:
        """Order what to look at; see `Session.review_queue`."""
        known = self.table(objects) if table is None else table
        found = list(review_queue(known, objects=objects, threshold=threshold, spacing=spacing))
        for source in self._sources:
            found += [item for item in source.review_items() if objects is None or item.object_id in objects]
        found.sort(key=lambda item: (-item.doubt, item.frame, item.object_id))
        return tuple(found[:limit])
