"""Configuration, the table of daemons, composition, supervisor and command line."""
