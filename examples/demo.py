"""`make demo` and `make lab`: the first example executed for real, as one page, and JupyterLab on the examples.

* `python examples/demo.py`: write demo.html, then open JupyterLab where there is a terminal and a display.
* `python examples/demo.py --lab`: only open JupyterLab.
"""

from __future__ import annotations

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
NOTEBOOK = HERE / "01_first_look.ipynb"
PAGE = HERE.parent / "demo.html"

# nbconvert's page asks CDNs for RequireJS, MathJax and Mermaid; nothing in ours needs them.
TEMPLATE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


def page(notebook: pathlib.Path) -> str:
    """Execute a notebook in a kernel of its own; the result as one HTML page that needs no network.

    Raises `nbclient.exceptions.CellExecutionError` when a cell fails that is not meant to.
    """
    import jinja2
    import nbclient
    import nbconvert
    import nbformat

    cells = nbformat.read(notebook, as_version=4)
    client = nbclient.NotebookClient(
        cells,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.parent)}},
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute()
    exporter = nbconvert.HTMLExporter(
        extra_loaders=[jinja2.DictLoader({"offline.html.j2": TEMPLATE})], template_file="offline.html.j2"
    )
    html, _ = exporter.from_notebook_node(cells, {"metadata": {"name": notebook.stem}})
    return str(html)


def has_display() -> bool:
    """Whether somebody sits before this terminal with a screen on which a browser can open."""
    screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and sys.stdout.isatty()


def open_lab() -> None:
    """Become JupyterLab on the examples; never returns."""
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    browser = [] if has_display() else ["--no-browser"]
    os.chdir(HERE)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *root, *browser, NOTEBOOK.name])


def main(arguments: list[str]) -> None:
    if arguments == ["--lab"]:
        open_lab()
    if arguments:
        sys.exit(f"demo.py: got {' '.join(arguments)!r}, expected nothing or --lab")
    PAGE.write_text(page(NOTEBOOK), encoding="utf-8")
    print(f"Executed examples/{NOTEBOOK.name} and wrote {PAGE.name} ({PAGE.stat().st_size // 1000} kB).")
    print(f"Open it in a browser: {PAGE.as_uri()}")
    if has_display():
        print("Opening JupyterLab on the examples (Ctrl-C ends it)...", flush=True)
        open_lab()
    print("To try it yourself in JupyterLab: make lab")


if __name__ == "__main__":
    main(sys.argv[1:])
