"""Where the work of consumers shows, and how it is read into the history."""
