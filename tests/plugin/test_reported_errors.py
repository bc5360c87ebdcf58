from __future__ import annotations

import traceback

from napari.utils.notifications import ErrorNotification, notification_manager


def test_a_reported_error_keeps_its_text_and_nothing_of_a_session_that_is_closed(at_work, monkeypatch):
    def fail(kept):
        raise ValueError(f"object {kept.objects[0].id}")

    def fail_again(kept):
        try:
            fail(kept)
        except ValueError as error:
            raise TypeError("and more") from error

    monkeypatch.setattr(notification_manager, "records", [])
    try:
        fail_again(at_work.session)
    except TypeError as error:
        reported = error
    notification_manager.records.append(ErrorNotification(reported))
    frames = [reported.__traceback__.tb_next.tb_frame, reported.__cause__.__traceback__.tb_next.tb_frame]
    assert all("kept" in frame.f_locals for frame in frames)
    text = traceback.format_exception(reported)
    at_work.controller.close_session()
    assert all(frame.f_locals == {} for frame in frames)
    assert traceback.format_exception(reported) == text
