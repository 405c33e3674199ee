"""When a run is over, and how it comes to its account."""
