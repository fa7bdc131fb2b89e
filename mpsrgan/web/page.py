"""The web page: its components, and what happens when one is pressed.

It is built on Gradio, which this module imports.
"""

import html
import threading
from pathlib import Path

import gradio as gr

from mpsrgan.upscale.defaults import AUTO, REALISM
from mpsrgan.upscale.single import UpscaleOptions
from mpsrgan.web.desk import KEPT_SECONDS, Result, about, label
from mpsrgan.web.uploads import why_none

SCALES = (2, 3, 4, 8)
FACES = (
    ("like the rest of the picture", "whole"),
    ("rotated upright first, if they are not", "network"),
    ("faces only: the rest by Lanczos, which invents nothing", "lanczos"),
)
SUFFIXES = [".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".ppm", ".pgm", ".tga", ".tif", ".tiff"]
"""Suffixes of image files that not every browser recognizes as images."""
WAITING = 250
"""Number of requests that may wait for the current one.

A waiting request is a few kB of memory. Its uploads, which `Limits` bounds, lie on the disk already.
"""
HEAD = """
<h1>Upscale photographs of faces</h1>
<p>The result is larger, with the detail that faces usually have.</p>
<div class="warning" role="note"><b>A restored face is a guess, never evidence.</b> The network adds what faces usually
have, not what this face had. Do not use it to tell who someone is.</div>
"""
TO_RESULT = "() => { if (innerWidth < 700) document.querySelector('#result').scrollIntoView({behavior: 'smooth'}) }"
"""Scrolls to the result, because on a phone it lies below the button."""
ENDS = "<div><span>faithful, soft</span><span>sharp, partly invented</span></div>"


def names_and_paths(payload):
    """Read what Gradio knows of uploaded files.

    Args:
        payload: Gradio's list of files, or None.

    Returns:
        A list of (path, original name).
    """
    return [(Path(one.path), one.orig_name or Path(one.path).name) for one in getattr(payload, "root", payload) or []]


class Page:
    """Builds the page around a `Desk`.

    Args:
        desk: The `Desk`.
        weights: List of names and paths. The first is selected.
    """

    def __init__(self, desk, weights):
        self.desk, self.weights = desk, weights
        self._stops = {}

    def build(self):
        """Build the page.

        Returns:
            `gradio.Blocks`, to be launched with what `look` returns.
        """
        limits = self.desk.limits
        with gr.Blocks(title="mpsrgan", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)) as blocks:
            gr.HTML(HEAD, elem_id="head")
            results = gr.State([])
            with gr.Row():
                with gr.Column(scale=2, min_width=320):
                    choices = self._choices()
                    with gr.Row():
                        go = gr.Button("Upscale", variant="primary", elem_id="go")
                        stop = gr.Button("Stop", visible=False, elem_id="stop")
                    problems = gr.HTML(visible=False, elem_id="problems")  # where one looks after a click
                    gr.HTML(
                        f"{limits.words}. All work is done by the machine that serves this page. Uploads and results "
                        "are deleted after an hour, and when the server stops.",
                        elem_classes="quiet",
                    )
                with gr.Column(scale=3, min_width=320, elem_id="result"):
                    shown = [problems, *self._shown()]
            _, slider, thumbnails, facts, files = shown
            go.click(
                self.upscale,
                choices,
                [results, *shown, go, stop],
                api_name="upscale",
                concurrency_limit=1,
                validator=self.refuse,
                show_progress_on=slider,
            )
            go.click(None, js=TO_RESULT)
            stop.click(self.stop, queue=False, api_visibility="private")
            thumbnails.select(
                self.choose, results, [slider, facts], queue=False, show_progress="hidden", api_visibility="private"
            )
            blocks.unload(self.stop)
        return blocks.queue(max_size=WAITING, default_concurrency_limit=1)

    def _choices(self):
        """Build what the user chooses and return the components in the order of `upscale`'s arguments."""
        words, has_realism = about(self.weights[0])
        photographs = gr.File(
            label="Photographs",
            file_count="multiple",
            file_types=["image", *SUFFIXES],
            height=170,
            elem_id="photographs",
        )
        photographs.preprocess = names_and_paths  # Gradio's own fails as a whole for one file of another type
        with gr.Group():
            scale = gr.Radio([(f"x{s}", s) for s in SCALES], value=4, label="Scale", elem_id="scale")
            with gr.Column(visible=has_realism, elem_id="realism-box") as box:
                realism = gr.Slider(0, 1, REALISM, step=0.05, label="Realism", elem_id="realism")
                gr.HTML(ENDS, elem_classes="ends", padding=False)
            faithful = gr.Checkbox(
                True,
                label="Faithful",
                info="Downscaling the result gives back your photograph; of a degraded one, colors and coarse shapes",
                elem_id="faithful",
            )
            faces = gr.Radio(FACES, value="whole", label="Faces", elem_id="faces")
            weights = gr.Dropdown(
                [(label(one), str(one)) for one in self.weights],
                value=str(self.weights[0]),
                label="Weights",
                info=words,
                elem_id="weights",
            )

        def changed(chosen):
            words, has_realism = about(chosen)
            return gr.update(visible=has_realism), gr.update(info=words)

        weights.change(changed, weights, [box, weights], queue=False, show_progress="hidden", api_visibility="private")
        return [photographs, weights, realism, faithful, scale, faces]

    def _shown(self):
        """Build what the user gets and return the components in the order of `_view`, but for the first."""
        slider = gr.ImageSlider(
            label="Before and after: move the line",
            interactive=False,
            buttons=["fullscreen"],
            max_height=560,
            elem_id="slider",
        )
        thumbnails = gr.Gallery(
            label="Results",
            show_label=False,
            visible=False,
            allow_preview=False,
            columns=6,
            fit_columns=False,
            height="auto",
            object_fit="cover",
            buttons=[],
            interactive=False,
            elem_id="thumbnails",
        )
        facts = gr.HTML(visible=False, elem_id="facts")
        files = gr.File(
            label="Download: each file carries a note that says what it is",
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id="files",
        )
        return [slider, thumbnails, facts, files]

    def refuse(self, photographs, *choices):
        """Refuse a request before it waits in the queue, if none of its files can be upscaled.

        Args:
            photographs: List of (path, name).
            *choices: The other arguments of `upscale`, which are not looked at.

        Returns:
            What Gradio expects of a validator: a value for each argument.
        """
        reasons = why_none(photographs, self.desk.limits)
        return [gr.validate(not reasons, "; ".join(reasons)), *choices]

    def upscale(
        self, photographs, weights, realism, faithful, scale, faces, request: gr.Request, progress=gr.Progress()
    ):
        """Upscale the chosen photographs.

        Args:
            photographs: List of (path, name).
            weights: A name or a path.
            realism: 0 to 1.
            faithful: Whether the result stays faithful to the photograph, in what suits the weights.
            scale: Scale factor.
            faces: A value of `FACES`.
            request: Gradio's request.
            progress: Gradio's progress bar.

        Yields:
            What to show, after each photograph.
        """
        if not photographs:
            yield self._view([], ["Choose a photograph first."])
            return
        stopped = self._stops[request.session_hash] = threading.Event()
        untouched = weights == AUTO and realism == REALISM  # a named realism keeps AUTO from the network for x2
        options = UpscaleOptions(
            weights=weights,
            realism=None if untouched or not about(weights)[1] else realism,
            faithful=None if faithful else False,
            scale=scale,
            faces=None if faces == "whole" else faces,
        )
        done, problems = [], []
        yield self._view(done, problems, busy=True)
        try:
            for one in self.desk.upscale_all(
                photographs, options, lambda share, text: progress(share, text), stopped.is_set
            ):
                (done if isinstance(one, Result) else problems).append(one)
                yield self._view(done, problems, busy=True)
        finally:
            self._stops.pop(request.session_hash, None)
        yield self._view(done, problems)

    def stop(self, request: gr.Request):
        """Stop the work that this visitor waits for.

        Args:
            request: Gradio's request.
        """
        if event := self._stops.get(request.session_hash):
            event.set()

    def choose(self, results, event: gr.SelectData):
        """Show another result.

        Args:
            results: List of `Result`.
            event: Gradio's event, which holds the index of the thumbnail.

        Returns:
            The pair (before, after) and the table of facts.
        """
        chosen = results[event.index]
        return (chosen.before, chosen.after), facts_table(chosen.facts)

    def _view(self, results, problems, busy=False):
        """Return the values of everything on the right and of the two buttons. The newest result is shown."""
        last = results[-1] if results else None
        return (
            list(results),
            gr.update(value=problem_list(problems), visible=bool(problems)),
            (last.before, last.after) if last else None,
            gr.update(value=[(one.thumbnail, one.file.stem) for one in results], visible=len(results) > 1),
            gr.update(value=facts_table(last.facts) if last else "", visible=bool(last)),
            gr.update(value=[str(one.file) for one in results] or None, visible=bool(results)),
            gr.update(interactive=not busy),
            gr.update(visible=busy),
        )


def facts_table(facts):
    """Make the table of facts.

    Args:
        facts: {what: text}.

    Returns:
        HTML.
    """
    rows = "".join(
        f"<tr><th scope=row>{html.escape(what)}</th><td>{html.escape(text)}</td></tr>" for what, text in facts.items()
    )
    return f'<table class="facts">{rows}</table>'


def problem_list(problems):
    """Make the list of problems.

    Args:
        problems: List of texts.

    Returns:
        HTML, empty for no problems.
    """
    items = "".join(f"<li>{html.escape(text)}</li>" for text in problems)
    return f'<div class="problems" role="alert"><ul>{items}</ul></div>' if items else ""
