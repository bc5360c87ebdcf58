"""Objects that nobody clicked: looking for them, and the proposals that a person decides on."""
