"""Submissions that a grader must survive, by what is the matter with them."""
