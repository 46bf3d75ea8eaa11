"""The room that knows all others: recipes, report and the `clear-unlearning` command."""
