"""Labels of each frame, which say nothing of the frames around it → tracks with divisions."""
