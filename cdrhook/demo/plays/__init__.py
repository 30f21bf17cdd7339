"""What the demo plays for each payload style: its calls, and what is worth showing."""
