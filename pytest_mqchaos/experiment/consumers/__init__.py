"""How consumers come to run, and when they are ready."""
