"""Finding objects without clicks, and the proposals that the user decides on."""
