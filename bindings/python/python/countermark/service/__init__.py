"""The service over HTTP: calls and answers without I/O, and the two clients that carry them."""
