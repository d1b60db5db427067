"""What runs inside the sandbox, beside the student's code: it holds no secret and is not trusted.

The folder is copied into the sandbox; it may import nothing of the grader.
"""
