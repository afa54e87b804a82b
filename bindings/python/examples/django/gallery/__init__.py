"""The gallery: project and only application at once."""
