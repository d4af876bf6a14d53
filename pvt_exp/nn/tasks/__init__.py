"""The LightningModule of each task; `training` has what all of them share."""
