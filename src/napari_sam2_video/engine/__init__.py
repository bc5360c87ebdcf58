from napari_sam2_video.torch_environment import prepare_torch

prepare_torch()
