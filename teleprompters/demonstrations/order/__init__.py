"""In what order: one file a family of orderers, each with the protocol of `demonstrations.base.Orderer`."""
