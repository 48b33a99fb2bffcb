"""Who is shown what and may do what, over everything that the site offers."""
