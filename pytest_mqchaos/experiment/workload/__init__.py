"""What is published: by us, and by the application's own publishers."""
