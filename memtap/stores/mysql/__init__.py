"""The shared store: a database on a MySQL or MariaDB server."""
