"""What holds for all tests."""


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest: with several workers none is left alone with it."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")
