"""What computes: the modules behind the settings of the same names. Imports torch; nothing of the light half does."""
