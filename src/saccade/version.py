"""The version, where every room can read it without importing the others."""

VERSION = "0.1.0"
