"""Live figures of the lessons: one module a unit, each figure a function that returns a widget."""
