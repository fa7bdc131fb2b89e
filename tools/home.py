"""Write the address of the repository into what needs it: the notebooks, their badges, and the package's metadata.

    python tools/home.py https://github.com/OWNER/NAME

Run it again when the repository moves. Colab opens notebooks from GitHub alone; for another host the badge leads to
Colab's start page, where the notebook can be uploaded.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COLAB = "https://colab.research.google.com/"


def settle(url, root=ROOT):
    """Write the address into the files.

    Args:
        url: Address of the repository, without a slash at its end.
        root: Folder of the repository.

    Returns:
        The paths of the files that were written.
    """
    books = sorted(root.glob("notebooks/*.ipynb"))
    for book in books:
        place = re.match(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?$", url)
        target = f"{COLAB}github/{place[1]}/blob/main/notebooks/{book.name}" if place else COLAB
        text = book.read_text(encoding="utf-8")
        text = re.sub(r'(REPO = \\")[^"\\]*', rf"\g<1>{url}", text)
        text = re.sub(rf"(\]\(){COLAB}(?:github/[^)]*)?\)", rf"\g<1>{target})", text)
        book.write_text(text, encoding="utf-8")
    setup = root / "setup.cfg"
    text = re.sub(r"^url = .*\n", "", setup.read_text(encoding="utf-8"), flags=re.M)
    setup.write_text(text.replace("\nlicense = ", f"\nurl = {url}\nlicense = ", 1), encoding="utf-8")
    return [*books, setup]


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].startswith("https://"):
        sys.exit("usage: python tools/home.py https://github.com/OWNER/NAME")
    print(*settle(sys.argv[1].rstrip("/")), sep="\n")
