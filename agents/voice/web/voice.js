// The page: a session with the agent, the microphone into it and answers out of it.

import { Session, advice, clock } from "./aip.js";
import * as shown from "./shown.js";

const RATE_HZ = 16000;
const MICROPHONE_MS = 3000;
const LOOK_MS = 250;

let session = null;
let stream = null;
let audio = null;
let speaker = null;
let microphone = null;
let played = null;
let asked = 0;
let attempt = 0; // of those to start, the latest; hanging up ends it

// ── before it ───────────────────────────────────────────────────────────────────────────────────

// Until the agent has loaded its models.
async function loaded() {
  for (;;) {
    const found = await (await fetch("loading")).json();
    shown.loading(found);
    if (found.ready) return;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

const ready = loaded();
ready.catch(() => shown.trouble("The agent is gone. Start it again."));

// ── the session ─────────────────────────────────────────────────────────────────────────────────

function connect() {
  const hello = { role: "client", name: "page", credential: location.hash.slice(1) };
  session = new Session(`ws://${location.host}/aip`, hello, {
    opened: (resumed) => (resumed ? shown.linked() : begin()),
    lost: shown.lost,
    ended,
    message(type, body) {
      if (type === "event") take(body.kind, body.body);
      else if (body.error) shown.trouble(advice(body.error));
    },
    stream(incoming) {
      if (incoming.label === "levels") incoming.ondata = shown.levels;
      if (incoming.label === "answer") incoming.ondata = sound(incoming.meta.answer);
    },
  });
}

// A conversation begins; it may not be the first.
function begin() {
  speaker.port.postMessage({ type: "reset" });
  shown.begin();
  microphone = session.openItems("microphone", MICROPHONE_MS);
  played = session.openBytes("played");
  // Whoever muted the page before is not to be heard by a new conversation.
  if (shown.isMuted()) mute();
}

function ended(code, reason) {
  speaker?.port.postMessage({ type: "reset" });
  for (const track of stream?.getTracks() ?? []) track.stop();
  audio?.close();
  microphone = played = session = stream = audio = speaker = null;
  shown.ended(reason);
}

function ask(verb, params = {}) {
  session?.send("request", { id: String(++asked), verb, params });
}

const mute = () => ask("mute", { on: shown.isMuted() });

function take(kind, body) {
  // What the page does not show is for the loudspeaker.
  if (!shown.take(kind, body, delays)) speaker.port.postMessage({ type: kind, ...body });
}

// What comes on top of the agent's own part, in milliseconds.
function delays() {
  return {
    link: 1000 * (session?.rtt_s ?? 0),
    device: 1000 * ((audio?.baseLatency ?? 0) + (audio?.outputLatency ?? 0)),
  };
}

// ── sound ───────────────────────────────────────────────────────────────────────────────────────

// Takes the bytes of an answer, which may come in parts of any length.
function sound(answer) {
  let left = new Uint8Array(0);
  return (bytes) => {
    const both = new Uint8Array(left.length + bytes.length);
    both.set(left);
    both.set(bytes, left.length);
    const whole = both.length & ~1;
    left = both.slice(whole);
    const samples = new Int16Array(both.buffer, 0, whole / 2);
    speaker.port.postMessage({ type: "add", answer, sound: samples });
  };
}

function report({ answer, samples }) {
  const record = new DataView(new ArrayBuffer(8));
  record.setUint32(0, answer, true);
  record.setUint32(4, samples, true);
  played?.write(new Uint8Array(record.buffer));
}

function forMicrophone(error) {
  if (error.name === "NotAllowedError") return "Allow it for this page, beside its address.";
  if (error.name === "NotFoundError") return "There is none: connect one.";
  return error.message;
}

async function start() {
  shown.starting();
  const mine = ++attempt;
  const wanted = { channelCount: 1, echoCancellation: true, autoGainControl: true };
  let capture;
  try {
    const opened = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    if (mine !== attempt) return opened.getTracks().forEach((track) => track.stop());
    stream = opened;
    audio = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    await audio.audioWorklet.addModule("audio.js");
    capture = new AudioWorkletNode(audio, "microphone", { numberOfOutputs: 0 });
    speaker = new AudioWorkletNode(audio, "loudspeaker", { numberOfInputs: 0 });
    capture.port.onmessage = ({ data }) => microphone?.put(new Uint8Array(data), clock());
    speaker.port.onmessage = ({ data }) => report(data);
    speaker.connect(audio.destination);
  } catch (error) {
    if (mine === attempt) ended(0, `the microphone cannot be used. ${forMicrophone(error)}`);
    return;
  }
  try {
    await ready;
  } catch {
    return ended(0, "the agent is gone. Start it again.");
  }
  if (mine !== attempt) return;
  connect();
  audio.createMediaStreamSource(stream).connect(capture);
}

// There may be no session yet.
function hangUp() {
  attempt++;
  if (session) session.close("you hung up.");
  else ended(0, "you hung up.");
}

addEventListener("pagehide", () => session?.close("the page was closed"));
shown.buttons({
  start,
  hangUp,
  enrol: () => ask("enrol"),
  everyone: () => ask("everyone"),
  mute,
});
