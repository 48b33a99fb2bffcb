"""Dates and times as everywhere in Labbook: sortable, of 24 hours, to the second.

Pages of the admin use these.
"""

DATE_FORMAT, TIME_FORMAT, DATETIME_FORMAT = "Y-m-d", "H:i:s", "Y-m-d H:i:s"
SHORT_DATE_FORMAT, SHORT_DATETIME_FORMAT = "Y-m-d", "Y-m-d H:i"
