"""One engine behind a small HTTP server; knows no Django and needs no database."""
