"""The look of the page. It loads nothing from another host: the fonts are those of the visitor's system."""

import gradio as gr

CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
footer { display: none !important; }
#head h1 { font-size: 1.7rem; font-weight: 650; margin: .6rem 0 .1rem; letter-spacing: -.01em; }
#head p { margin: 0; color: var(--body-text-color-subdued); }
#head .warning {
  margin: .9rem 0 .2rem; padding: .6rem .9rem; border-left: 4px solid #d97706; border-radius: 4px;
  background: #fef3c7; color: #78350f; font-size: .95rem;
}
.dark #head .warning { background: #3b2a0a; color: #fde68a; }
.block.ends { background: var(--block-background-fill) !important; margin-top: -2px; padding: 0 !important; }
.ends .html-container { padding: 0 .75rem .5rem !important; }
.ends .prose > div { display: flex; justify-content: space-between; font-size: .85rem; }
.ends span { color: var(--body-text-color-subdued) !important; }
.quiet { font-size: .85rem; color: var(--body-text-color-subdued); line-height: 1.45; }
.facts { width: 100%; border-collapse: collapse; border: 0 !important; font-size: .92rem; }
.facts tr, .facts th, .facts td { border: 0 !important; }
.facts tr + tr { border-top: 1px solid var(--border-color-primary) !important; }
.facts th, .facts td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0 !important;
  overflow-wrap: anywhere; }
.facts th { font-weight: 500; width: 36%; color: var(--body-text-color-subdued) !important; }
.problems { padding: .6rem .9rem; border-left: 4px solid #b91c1c; border-radius: 4px; background: #fef2f2;
  color: #7f1d1d; font-size: .95rem; overflow-wrap: anywhere; }
.problems ul { margin: 0; padding: 0; list-style: none; }
.problems li + li { margin-top: .3rem; }
.problems li { color: inherit !important; margin-left: 0; padding: 0; }
#head b { color: inherit !important; }
#slider .slider-wrap { position: relative; }
#slider .slider-wrap::before, #slider .slider-wrap::after { position: absolute; bottom: .5rem; z-index: 40;
  padding: .1rem .5rem; border-radius: 4px; background: rgb(0 0 0 / .55); color: white; font-size: .8rem;
  pointer-events: none; }
#slider .slider-wrap::before { content: "before"; left: .5rem; }
#slider .slider-wrap::after { content: "after"; right: .5rem; }
#thumbnails, #thumbnails .gallery-container, #thumbnails .grid-wrap { height: auto !important;
  min-height: 0 !important; }
#thumbnails .grid-container { grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)) !important; }
#files .label-clear-button { display: none; }
@media (max-width: 640px) { #head h1 { font-size: 1.35rem; } }
.dark .problems { background: #3b0f0f; color: #fecaca; }
"""


def look():
    """Return the theme and the style sheet of the page.

    Returns:
        Keyword arguments of `Blocks.launch`.
    """
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    theme = gr.themes.Default(
        primary_hue="indigo", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"]
    )
    theme.set(body_text_color_subdued="*neutral_500", block_info_text_color="*neutral_500")
    return {"theme": theme, "css": CSS}
