"""Free what reported errors hold, because napari keeps every one until it closes."""

from __future__ import annotations

import sys
import traceback


def release_frames() -> None:
    """Clear the stack frames of reported errors, which may hold a closed session; their text stays."""
    from napari.utils.notifications import ErrorNotification, notification_manager

    errors = [one.exception for one in notification_manager.records if isinstance(one, ErrorNotification)]
    # Python keeps the last one, too.
    found: list[BaseException | None] = [*errors, getattr(sys, "last_value", None)]
    while found:
        error = found.pop()
        if error is not None and error.__traceback__ is not None:
            traceback.clear_frames(error.__traceback__)
        if error is not None:
            found += [error.__cause__ or error.__context__]
