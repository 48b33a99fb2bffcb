"""Keys for programs: a user's tokens for the REST API, of which only a hash is kept."""
