"""Finding objects that nobody clicked: detectors, and what is asked of them."""
