"""What stands in the place of the course's modules inside the sandbox, where no reference is."""
