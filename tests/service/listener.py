"""A listener in a real browser: the page in Chromium, with what comes out of its speakers recorded sample by sample."""

from __future__ import annotations

import array
import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE: Final = 30_000  # ms
# It runs where the browser renders sound. One recorder has the mix and all sides as its inputs, so that one sample of
# each is of one moment: recorders of their own that wait for the page lose buffers, each its own, and what is recorded
# drifts apart where what is heard does not.
_TAPE = """
registerProcessor("tape", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.port.onmessage = ({ data: seconds }) => {
      if (seconds) this.begin(seconds * sampleRate);
      else this.end();
    };
  }
  begin(most) {
    this.tracks = Array.from({ length: 4 }, () => new Float32Array(most));
    [this.at, this.lost, this.next] = [0, 0, currentFrame];
  }
  end() {
    this.port.postMessage({ lost: this.lost, tracks: this.tracks.map((track) => track.slice(0, this.at)) });
    this.tracks = null;
  }
  process(inputs) {
    const frames = 128;
    if (!this.tracks || this.at + frames > this.tracks[0].length) return true;
    this.lost += currentFrame - this.next;
    this.next = currentFrame + frames;
    inputs.forEach(([channel], track) => { if (channel) this.tracks[track].set(channel, this.at); });
    this.at += frames;
    return true;
  }
});
"""
# Hooks into Web Audio before the page runs: what gains give to the speakers is mixed for the recorder, too.
_RECORDER = """
const TRACKS = ["mix", "original", "restored", "removed"];
const address = URL.createObjectURL(new Blob([TAPE], { type: "text/javascript" }));
window.AudioContext = class extends AudioContext {
  constructor() {
    super();
    const [mix, meter] = [this.createGain(), this.createAnalyser()];
    mix.connect(meter);
    const tape = this.audioWorklet.addModule(address).then(() => {
      const mono = { channelCount: 1, channelCountMode: "explicit" };
      const node = new AudioWorkletNode(this, "tape", { numberOfInputs: TRACKS.length, ...mono });
      mix.connect(node, 0, 0);
      node.connect(this.destination);
      return node;
    });
    window.heard = { context: this, mix, meter, tape, gains: [] };
  }
  createMediaElementSource(element) {
    const source = super.createMediaElementSource(element);
    const track = Math.max(1, TRACKS.indexOf(/original|removed/.exec(element.src)?.[0] ?? "restored"));
    heard.tape.then((node) => source.connect(node, 0, track));
    const connect = source.connect.bind(source);
    source.connect = (to, ...more) => {
      if (to instanceof GainNode) {
        heard.gains.push(to);
        to.connect(heard.mix);
      }
      return connect(to, ...more);
    };
    return source;
  }
};
window.loud = () => {
  const samples = new Float32Array(window.heard?.meter.fftSize ?? 0);
  window.heard?.meter.getFloatTimeDomainData(samples);
  return samples.some((each) => Math.abs(each) > 0.05);
};
window.recorded = async () => {
  const { port } = await heard.tape;
  const told = new Promise((done) => { port.onmessage = ({ data }) => done(data); });
  port.postMessage(0);
  const { lost, tracks } = await told;
  const coded = tracks.map((track) => {
    const bytes = new Uint8Array(track.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  });
  return { lost, rate: heard.context.sampleRate, ...Object.fromEntries(TRACKS.map((name, at) => [name, coded[at]])) };
};
"""


@dataclass(frozen=True)
class Recording:
    """What was heard, and each side before its gain, from the same moment on."""

    rate: float
    mix: array.array[float]
    original: array.array[float]
    restored: array.array[float]
    removed: array.array[float]


@dataclass
class Listener:
    """A page in the browser."""

    page: Page
    console: list[str] = field(default_factory=list)

    def begin(self, most: int = 30) -> None:
        """Record from here on, so many seconds at most."""
        self.page.evaluate("async (most) => { (await heard.tape).port.postMessage(most); }", most)

    def end(self) -> Recording:
        """What was recorded."""
        told = self.page.evaluate("() => recorded()")
        assert told["lost"] == 0
        tracks = []
        for name in ("mix", "original", "restored", "removed"):
            tracks.append(array.array("f"))
            tracks[-1].frombytes(base64.b64decode(told[name]))
        return Recording(float(told["rate"]), *tracks)

    def record(self, seconds: float) -> Recording:
        """The next seconds, by the clock of what is heard."""
        self.begin()
        self.page.evaluate("() => { heard.from = heard.context.currentTime; }")
        self.until(f"heard.context.currentTime > heard.from + {seconds}")
        return self.end()

    def until(self, holds: str, **options: Any) -> None:
        """Wait, with patience, for something to hold in the page."""
        self.page.wait_for_function(f"() => {holds}", **{"timeout": PATIENCE, **options})

    def levels(self) -> list[float]:
        """The gains as they are now: of the original, and of the restored side."""
        return [float(gain) for gain in self.page.evaluate("() => heard.gains.map((gain) => gain.gain.value)")]


@contextmanager
def listening(chromium: Browser, *, record: bool = False, **options: Any) -> Iterator[Listener]:
    """A page in it, empty yet. `record`: what it plays; the page's policy, which lets no recorder in, is off then."""
    context = chromium.new_context(bypass_csp=record, **options)
    context.set_default_timeout(PATIENCE)
    try:
        if record:
            context.add_init_script(f"{{ const TAPE = {json.dumps(_TAPE)};\n{_RECORDER} }}")
        listener = Listener(context.new_page())
        listener.page.on("console", lambda message: listener.console.append(message.text))
        listener.page.on("pageerror", lambda error: listener.console.append(str(error)))
        yield listener
    finally:
        context.close()
