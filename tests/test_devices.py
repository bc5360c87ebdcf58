from __future__ import annotations

import subprocess

import pytest

from napari_sam2_video.devices import cuda_version_of, gpu_advice, nvidia_driver, probe_devices

TABLE = "| NVIDIA-SMI 560.94   Driver Version: 560.94   CUDA Version: 12.6 |"


def test_the_driver_tells_the_cuda_version():
    assert cuda_version_of(TABLE) == (12, 6)
    assert cuda_version_of("nothing of the kind") == (0, 0)


@pytest.mark.parametrize(
    ("driver", "wheel"),
    [((12, 0), "cu126"), ((12, 6), "cu126"), ((12, 8), "cu128"), ((13, 1), "cu130"), ((0, 0), "cu128")],
)
def test_a_torch_without_gpu_support_is_replaced_by_one_the_driver_runs(driver, wheel):
    advice = gpu_advice(driver, built_for_gpu=False)
    assert advice is not None
    assert "pip install" in advice
    assert advice.endswith(f"/{wheel}")


def test_an_old_driver_is_updated_first():
    assert "update the NVIDIA driver" in (gpu_advice((11, 4), built_for_gpu=False) or "")
    assert "update the NVIDIA driver" in (gpu_advice((12, 4), built_for_gpu=True) or "")


def test_no_gpu_needs_no_advice():
    assert gpu_advice(None, built_for_gpu=False) is None


def test_the_processor_is_always_there():
    report = probe_devices()
    assert report.devices[-1] == "cpu"
    assert len(report.devices) == len(report.titles)


def test_no_console_opens_on_windows_while_the_driver_is_asked(monkeypatch):
    asked = {}

    def run(command, **options):
        asked.update(options)
        return subprocess.CompletedProcess(command, 0, stdout=TABLE, stderr="")

    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"C:/Windows/System32/{name}.exe")
    monkeypatch.setattr(subprocess, "run", run)
    assert nvidia_driver() == (12, 6)
    assert asked["creationflags"] == 0x08000000
