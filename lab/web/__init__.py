"""What all pages share: template tags, security headers, how refusals look."""
