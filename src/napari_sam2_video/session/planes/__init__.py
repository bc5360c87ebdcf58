"""A volume from three sides: prompts on any plane, a walk along each axis, and fusing their masks."""
