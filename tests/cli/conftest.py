from __future__ import annotations

import pytest

from napari_sam2_video.cli import main


@pytest.fixture
def call(capsys):
    """Run the command line; its exit code, and what it wrote to standard output and standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return ended.value.code or 0, said.out, said.err

    return run
