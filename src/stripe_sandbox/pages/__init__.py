"""The hosted pages: what a buyer and an operator see."""
