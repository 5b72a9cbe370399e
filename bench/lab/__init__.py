"""The laboratory: arms x tasks x seeds as a resumable table, with guards. Plays; draws nothing."""
