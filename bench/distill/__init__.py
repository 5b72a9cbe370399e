"""Students in numbers: how fast they train and serve, and how the shipped one was made."""
