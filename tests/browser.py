"""A headless Chromium that tests drive over its DevTools protocol: open, look, click, drag, type."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tornado.websocket import WebSocketClientConnection, websocket_connect

CHROMIUM = next((c for c in ("chromium", "chromium-browser", "google-chrome") if shutil.which(c)), "")
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars",
    "--remote-debugging-port=0", "--no-first-run", "--disable-extensions", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-default-browser-check",
)  # fmt: skip
PATIENCE = 90.0


class Page:
    """One page. `errors` holds what its console and the browser complained about, `asked` every address it read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: WebSocketClientConnection) -> None:
        self.loop, self.socket, self.number = loop, socket, 0
        self.errors: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> Any:
        """Send one command; returns its result."""
        self.number += 1
        return self.loop.run_until_complete(self._call(self.number, method, parameters))

    async def _call(self, number: int, method: str, parameters: dict[str, object]) -> Any:
        await self.socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            text = await asyncio.wait_for(self.socket.read_message(), PATIENCE)
            assert text is not None, "the browser has gone"
            said = json.loads(text)
            self._hear(said)
            if said.get("id") == number:
                assert "error" not in said, (method, said["error"])
                return said["result"]

    def _hear(self, said: Any) -> None:
        method, facts = said.get("method"), said.get("params", {})
        if method == "Runtime.exceptionThrown":
            thrown = facts["exceptionDetails"]
            self.errors.append(thrown.get("exception", {}).get("description", thrown["text"]))
        if method == "Log.entryAdded" and facts["entry"]["level"] == "error":
            self.errors.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")
        if method == "Network.requestWillBeSent":
            self.asked.append(facts["request"]["url"])

    def size(self, wide: int, high: int) -> None:
        """Give the page another size."""
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page is there."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address.split('#')[0])}) && document.readyState == 'complete'")

    def ready(self) -> float:
        """Wait for the first whole picture of a web map; returns the milliseconds since the page was asked for."""
        return float(self.wait("document.documentElement.dataset.ready"))

    def run(self, script: str) -> Any:
        """The value of an expression; promises are waited for."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str, patience: float = PATIENCE) -> Any:
        """Wait until an expression is true; returns its value."""
        until = time.monotonic() + patience
        while not (value := self.run(condition)):
            assert time.monotonic() < until, (condition, self.errors)
            time.sleep(0.05)
        return value

    def mouse(self, kind: str, x: float, y: float, **more: object) -> None:
        """One event of the mouse: Pressed, Released, Moved or Wheel."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """Press and release the left button."""
        self.mouse("Moved", x, y)
        for kind in ("Pressed", "Released"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        """Press, move and release."""
        self.mouse("Pressed", *start, button="left", clickCount=1)
        for k in range(1, steps + 1):
            at = [a + (b - a) * k / steps for a, b in zip(start, end, strict=True)]
            self.mouse("Moved", *at, button="left", buttons=1)
        self.mouse("Released", *end, button="left", clickCount=1)

    def key(self, key: str, code: str = "", number: int = 0) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {}
        facts = {"key": key, "code": code or key, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", **facts, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def look(self, save: Path | None = None) -> np.ndarray:
        """What the page shows (H, W, 3)."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if save is not None:
            save.write_bytes(data)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@contextmanager
def chromium(wide: int = 1024, high: int = 768) -> Iterator[Page]:
    """A page of a browser that ends with the `with` block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={wide},{high}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        loop = asyncio.new_event_loop()
        try:
            socket = loop.run_until_complete(_connect(Path(profile) / "DevToolsActivePort"))
            page = Page(loop, socket)
            page.size(wide, high)
            yield page
            socket.close()
        finally:
            process.terminate()
            process.wait(20)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


async def _connect(port_file: Path) -> WebSocketClientConnection:
    """A connection to the only page."""
    from tornado.httpclient import AsyncHTTPClient

    for _ in range(600):
        if port_file.is_file() and port_file.read_text().count("\n"):
            break
        await asyncio.sleep(0.1)
    port = port_file.read_text().split("\n")[0]
    for _ in range(100):
        answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")
        pages = [p for p in json.loads(answer.body) if p["type"] == "page"]
        if pages:
            return await websocket_connect(pages[0]["webSocketDebuggerUrl"], max_message_size=1 << 28)
        await asyncio.sleep(0.1)
    raise AssertionError("no page")
