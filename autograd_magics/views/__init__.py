"""What a report looks like: one file for each output, each a function of a report.

* `text`: a terminal.  `svg`: a static picture.  `html`: a notebook's output or a page.
* `dot`: a `graphviz.Digraph`.  `widget`: an ipywidgets view.  `payload`: the JSON that the front end reads.

Beneath them: `picture` decides what is drawn, `layout` where; `phrases` words rows of a trace in a language,
`format` writes numbers.
"""
