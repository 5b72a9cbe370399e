"""What web pages cost and what is learned on them."""
