"""What the models of learning arms are told; one file a prompt, each after its paper's own."""
