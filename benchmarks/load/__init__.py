"""What the page's server bears: server.py is measured, clients.py asks, __main__.py puts the figures together."""
