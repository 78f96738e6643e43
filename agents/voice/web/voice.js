// The page: a session with the agent, the microphone into it and answers out of it.

import { Session, clock } from "./aip.js";

const RATE_HZ = 16000;
const MICROPHONE_MS = 1000;
const PHASES = {
  listening: "Listening.",
  hearing: "You speak.",
  thinking: "Thinking.",
  working: "Working.",
  speaking: "Speaking.",
  ended: "The conversation is over.",
};

const find = (id) => document.getElementById(id);

let session = null;
let audio = null;
let speaker = null;
let microphone = null;
let played = null;
let asked = 0;
let saying = new Map();

// ── the session ─────────────────────────────────────────────────────────────────────────────────

function connect() {
  const hello = { role: "client", name: "page", credential: location.hash.slice(1) };
  session = new Session(`ws://${location.host}/aip`, hello, {
    opened(resumed) {
      if (!resumed) begin();
    },
    lost: () => show("state", "The link is lost. Trying again."),
    ended: (code, reason) => end(reason),
    message(type, body) {
      if (type === "event") take(body.kind, body.body);
      else if (body.error) show("state", body.error.message);
    },
    stream(incoming) {
      if (incoming.label === "levels") incoming.ondata = levels;
      if (incoming.label === "answer") incoming.ondata = (pcm) => add(incoming.meta.answer, pcm);
    },
  });
}

// A conversation begins; it may not be the first.
function begin() {
  speaker.port.postMessage({ type: "reset" });
  saying.clear();
  microphone = session.openItems("microphone", MICROPHONE_MS);
  played = session.openBytes("played");
  show("state", PHASES.listening);
}

function end(reason) {
  show("state", `Disconnected: ${reason}`);
}

function ask(verb, params = {}) {
  session.send("request", { id: String(++asked), verb, params });
}

function report({ answer, samples }) {
  const record = new DataView(new ArrayBuffer(8));
  record.setUint32(0, answer, true);
  record.setUint32(4, samples, true);
  played?.write(new Uint8Array(record.buffer));
}

// PCM comes in parts of any length, so a sample may be cut in two.
const halves = new Map();

function add(answer, pcm) {
  const before = halves.get(answer);
  halves.delete(answer);
  const bytes = before === undefined ? pcm : Uint8Array.of(before, ...pcm);
  if (bytes.length % 2) halves.set(answer, bytes.at(-1));
  const sound = new Int16Array(bytes.slice(0, bytes.length & ~1).buffer);
  speaker.port.postMessage({ type: "add", answer, sound }, [sound.buffer]);
}

function take(kind, body) {
  switch (kind) {
    case "phase":
      show("state", PHASES[body.phase]);
      break;
    case "hearing":
      show("hearing", body.text);
      break;
    case "saying":
      saying.set(body.answer, [...(saying.get(body.answer) ?? []), body.text]);
      break;
    case "said":
      caption(body);
      break;
    case "happened":
      happened(body);
      break;
    case "enrolling":
      show("who", `Speak for ${body.seconds} seconds, please.`);
      break;
    case "enrolled":
      show("who", "Only you may interrupt.");
      break;
    case "not enrolled":
      show("who", body.message);
      break;
    case "everyone":
      show("who", "Everyone may interrupt.");
      break;
    default:
      speaker.port.postMessage({ type: kind, ...body });
  }
}

function show(id, text) {
  find(id).textContent = text;
}

function levels([anyone, primary]) {
  for (const [id, level] of Object.entries({ anyone, primary })) {
    find(id).value = level / 255;
    show(id, (level / 255).toFixed(1));
  }
}

// What was heard of an answer, and struck out what was not.
function caption({ who, answer, text, cut }) {
  const item = document.createElement("li");
  item.className = who;
  item.append(text);
  if (cut) {
    const rest = document.createElement("span");
    const whole = (saying.get(answer) ?? []).join(" ");
    rest.className = "cut";
    rest.setAttribute("aria-label", "not heard");
    rest.textContent = whole.slice(text.length);
    item.append(rest);
  }
  saying.delete(answer);
  show("hearing", "");
  find("said").append(item);
  item.scrollIntoView({ block: "nearest" });
}

function happened({ at_s, what, text, after_s }) {
  const item = document.createElement("li");
  const after = after_s === undefined ? "" : ` (after ${Math.round(1000 * after_s)} ms)`;
  item.textContent = `${at_s.toFixed(2)} s ${what}${text ? `: ${text}` : ""}${after}`;
  find("happened").append(item);
  // The agent's own part: the way to the ear comes on top.
  if (what === "first audio") show("latency", `${Math.round(1000 * after_s)} ms`);
}

// ── sound ───────────────────────────────────────────────────────────────────────────────────────

async function start() {
  find("start").disabled = true;
  const wanted = { channelCount: 1, echoCancellation: true, autoGainControl: true };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    audio = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    await audio.audioWorklet.addModule("audio.js");
    const capture = new AudioWorkletNode(audio, "microphone", { numberOfOutputs: 0 });
    speaker = new AudioWorkletNode(audio, "loudspeaker", { numberOfInputs: 0 });
    capture.port.onmessage = ({ data }) => microphone?.put(new Uint8Array(data), clock());
    speaker.port.onmessage = ({ data }) => report(data);
    speaker.connect(audio.destination);
    connect();
    audio.createMediaStreamSource(stream).connect(capture);
  } catch (error) {
    find("start").disabled = false;
    return show("state", `The microphone cannot be used: ${error.message}`);
  }
  for (const id of ["mute", "enrol", "everyone"]) find(id).disabled = false;
}

addEventListener("pagehide", () => session?.close("the page was closed"));
find("start").onclick = start;
find("enrol").onclick = () => ask("enrol");
find("everyone").onclick = () => ask("everyone");
find("mute").onclick = ({ target }) => {
  const on = target.getAttribute("aria-pressed") !== "true";
  target.setAttribute("aria-pressed", on);
  ask("mute", { on });
};
