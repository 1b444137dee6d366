"""A page in a real browser, where the machine has one."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--window-size=900,700",
    "--virtual-time-budget=3000",
)
"""Nothing but the page: a browser of its own must not look for anything outside."""

BEFORE = """<script>
const faults = [];
addEventListener("error", event => faults.push(event.message));
// Nobody looks: a browser without a window has few frames, at times of its own.
window.requestAnimationFrame = paint => setTimeout(() => paint(performance.now()), 5);
</script>"""
AFTER = """<pre id="told"></pre><script type="module">
const told = await (async () => {SCRIPT})().catch(fault => ({ fault: `${fault}` }));
document.getElementById("told").textContent = JSON.stringify([told, faults]);
</script>"""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")


def run_in_page(page: str, script: str, folder: Path) -> Any:  # noqa: ANN401 - JSON
    """Return what an async script's body returns in a page, as JSON."""
    file = folder / "page.html"
    before, after = BEFORE, AFTER.replace("SCRIPT", script)
    page = page.replace("<style>", f"{before}<style>", 1)
    file.write_text(page.replace("</html>", f"{after}</html>"), encoding="utf-8")
    assert CHROMIUM is not None
    command = (CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'user'}", "--dump-dom")
    done = subprocess.run(
        [*command, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    told_by_script, faults = json.loads(html.unescape(found[1]))
    assert faults == []
    return told_by_script
