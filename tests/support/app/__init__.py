"""An app that only the test run installs: it makes the append-only tables emptiable between tests."""
