"""A lab that fits in one machine: guest images, a throw-away ssh host, an example to run."""
