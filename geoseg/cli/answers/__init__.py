"""Commands about what people say of maps."""
