"""``labbook``: a lab from the terminal of any machine, over its REST API. Knows no Django, no database."""
