"""Finding objects on single frames: recall, precision and time."""
