"""Find objects without clicks: detectors and their interface."""
