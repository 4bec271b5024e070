"""Phantoms, images that ship in packages, and loaders of public data sets from local files."""
