"""Real things for tests: images, servers, hosts."""
