"""Broken inputs by the thousand: seeds, mutations, and a pool that survives what they do."""
