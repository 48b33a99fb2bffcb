"""Boards as hosts: powered, deployed, booted over a console, reached by ssh, and left as they were found."""
