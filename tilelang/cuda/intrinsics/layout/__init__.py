"""Where matrix instructions want their elements."""
