"""What a person can press, turn, draw and move, each as an act that says what it was."""
