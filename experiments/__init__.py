"""What the trainers learn from real data: each file one question, one command, one table for docs/results.md."""
