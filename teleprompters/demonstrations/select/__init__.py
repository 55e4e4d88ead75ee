"""Which demonstrations: one file a selector, each with the protocol of `demonstrations.base.Selector`."""
