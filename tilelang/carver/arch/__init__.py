"""What GPUs can do."""
