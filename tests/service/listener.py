"""A listener in a real browser: the page in Chromium, with what comes out of its speakers recorded sample by sample."""

from __future__ import annotations

import array
import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
              "--disable-component-update", "--disable-sync", "--mute-audio"]
# Hooks into Web Audio before the page runs: whatever a gain gives to the speakers is recorded, as are both sides
# before their gains.
_RECORDER = """
window.__taps = []; window.__on = false;
const make = AudioContext.prototype.createMediaElementSource;
AudioContext.prototype.createMediaElementSource = function (node) {
  const source = make.call(this, node);
  if (!this.__mix) {
    this.__mix = this.createGain();
    window.__context = this;
    window.__record(this, this.__mix, "mix");
  }
  window.__record(this, source, node.src.includes("original") ? "original" : "restored");
  const connect = source.connect.bind(source);
  source.connect = (gain) => {
    connect(gain);
    window.__gains = [...(window.__gains ?? []), gain];
    gain.connect(this.__mix);
    return gain;
  };
  return source;
};
window.__record = (context, node, name) => {
  const tap = context.createScriptProcessor(1024, 1, 1);
  const chunks = [];
  tap.onaudioprocess = (event) => {
    if (window.__on) chunks.push([event.playbackTime, event.inputBuffer.getChannelData(0).slice()]);
  };
  node.connect(tap);
  tap.connect(context.destination);
  window.__taps.push({ name, chunks, tap });
};
window.__take = (name) => {
  const { chunks } = window.__taps.find((one) => one.name === name);
  const all = new Float32Array(chunks.length * 1024);
  chunks.forEach(([, data], at) => all.set(data, at * 1024));
  const bytes = new Uint8Array(all.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return { data: btoa(text) };
};
"""


@dataclass
class Listener:
    """A page in the browser."""

    page: Page
    console: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Record from here on."""
        self.page.evaluate("() => { window.__taps.forEach((tap) => tap.chunks.length = 0); window.__on = true; }")

    def end(self) -> None:
        self.page.evaluate("() => { window.__on = false; }")

    def heard(self, name: str = "mix") -> array.array[float]:
        """What was recorded of the mix or of a side, as samples."""
        data = self.page.evaluate(
            "(name) => window.__take(name).data", name)
        samples = array.array("f")
        samples.frombytes(base64.b64decode(data))
        return samples

    @property
    def rate(self) -> float:
        return float(self.page.evaluate("() => window.__context.sampleRate"))

    def levels(self) -> list[float]:
        """The gains as they are now: of the original, and of the restored side."""
        return [float(gain) for gain in self.page.evaluate("() => window.__gains.map((gain) => gain.gain.value)")]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def listening(chromium: Browser, **options: Any) -> Iterator[Listener]:
    """A page in it, empty yet, that records what it plays."""
    context = chromium.new_context(**options)
    try:
        context.add_init_script(_RECORDER)
        listener = Listener(context.new_page())
        listener.page.on("console", lambda message: listener.console.append(message.text))
        listener.page.on("pageerror", lambda error: listener.console.append(str(error)))
        yield listener
    finally:
        context.close()
