"""What a piece of HTML holds, for tests of what people are shown."""

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "meta", "link"}


class Page(HTMLParser):
    """A parsed piece of HTML.

    Attributes:
        tags: every tag with its attributes, in order.
        text: the text between the tags, in pieces.
        errors: tags that are closed in another order than they were opened, or never.
    """

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.errors, self._open = [], [], [], []
        self.feed(html)
        self.close()
        self.errors += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.errors.append(f"</{tag}> closes another tag")

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        """The text with single spaces, as a reader sees it."""
        return " ".join("".join(self.text).split())
