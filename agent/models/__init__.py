"""Models and their local processes: everything that answers is an OpenAI-compatible URL."""
