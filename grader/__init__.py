"""What instructors run: release, grade, feedback, report. Grades live in nbgrader's gradebook."""
