"""The doors: command line and REST. Imports every room below; nobody imports it."""
