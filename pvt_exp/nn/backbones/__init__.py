"""PVT v1 and v2 with their switches, and the models of timm, as pyramids of feature maps."""
