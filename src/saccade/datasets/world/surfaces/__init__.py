"""Drawing of surface textures and alpha masks."""
