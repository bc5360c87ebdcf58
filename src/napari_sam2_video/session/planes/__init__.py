"""A volume looked at from three sides: prompts on any plane, a walk along each axis, and what they agree on."""
