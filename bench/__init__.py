"""Measurements. Each is one command that prints ratios to a floor made in the same run.

The machine they run on is never quiet: look at ratios and medians, not at seconds.
"""

import os

# Settings with a data folder and database to throw away; a lab that is measured has its own beside them.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()
