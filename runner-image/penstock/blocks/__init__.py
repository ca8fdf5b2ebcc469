"""The one block that there is: ``penstock.blocks.system.Secret``."""
