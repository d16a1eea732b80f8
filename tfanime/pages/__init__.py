"""Shared parts of all HTML pages: template, style sheet, numbers, pictures, and a server on this machine."""
