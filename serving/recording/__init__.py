"""What was asked and answered: kept, and asked again."""
