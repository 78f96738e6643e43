// The audio thread: captures the microphone in frames of 20 ms, and plays answers as told.

const RATE = 16000;
const FRAME = 320;
const DUCKED = 0.2;
const FADE = 160;
const REPORT = 640;
const NOTHING = { samples: new Int16Array(0), length: 0 };

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    for (const sample of channel) {
      this.frame[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === FRAME) {
        this.port.postMessage(this.frame.buffer, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME);
        this.filled = 0;
      }
    }
    return true;
  }
}

// One for the whole page. An answer's sound is kept until it is stopped or forgotten.
class Loudspeaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.sounds = new Map();
    this.playing = 0;
    this.position = 0;
    this.reported = 0;
    this.gain = 1;
    this.wanted = 1;
    this.port.onmessage = ({ data }) => this.follow(data);
  }

  follow({ type, answer, sample, sound }) {
    switch (type) {
      case "add":
        this.add(answer, sound);
        break;
      case "play":
        if (answer !== this.playing) this.position = this.reported = 0;
        this.playing = answer;
        this.gain = this.wanted = 1;
        break;
      case "resume":
        this.playing = answer;
        this.position = this.reported = sample;
        this.gain = 0;
        this.wanted = 1;
        break;
      case "duck":
        this.wanted = DUCKED;
        break;
      case "restore":
        this.wanted = 1;
        break;
      case "pause":
        this.hush(answer);
        break;
      case "stop":
        this.hush(answer);
        this.sounds.delete(answer);
        break;
      case "reset":
        this.playing = 0;
        this.sounds.clear();
        break;
      case "forget":
        this.sounds.delete(answer);
        if (this.playing === answer) this.playing = 0;
    }
  }

  // Put behind what there is; the room for it grows twofold, so that long answers cost no more.
  add(answer, added) {
    const sound = this.sounds.get(answer) ?? { samples: new Int16Array(RATE), length: 0 };
    const length = sound.length + added.length;
    if (length > sound.samples.length) {
      const larger = new Int16Array(Math.max(length, 2 * sound.samples.length));
      larger.set(sound.samples);
      sound.samples = larger;
    }
    sound.samples.set(added, sound.length);
    sound.length = length;
    this.sounds.set(answer, sound);
  }

  hush(answer) {
    if (this.playing !== answer) return;
    this.report();
    const { samples, length } = this.sounds.get(answer) ?? NOTHING;
    this.fading = samples.slice(this.position, Math.min(length, this.position + FADE));
    this.faded = 0;
    this.playing = 0;
  }

  report() {
    this.reported = this.position;
    this.port.postMessage({ answer: this.playing, samples: this.position });
  }

  process(_, outputs) {
    const out = outputs[0][0];
    for (let n = 0; n < out.length; n++) out[n] = this.next(out.length) / 32768;
    if (this.playing) {
      const end = this.position === this.sounds.get(this.playing)?.length;
      if (this.position - this.reported >= REPORT || (end && this.position > this.reported)) {
        this.report();
      }
    }
    return true;
  }

  next(block) {
    if (this.fading && this.faded < this.fading.length) {
      const left = 1 - this.faded / this.fading.length;
      return this.fading[this.faded++] * left * this.gain;
    }
    const sound = this.playing ? this.sounds.get(this.playing) : undefined;
    if (!sound || this.position >= sound.length) return 0;
    this.gain += (this.wanted - this.gain) / block;
    return sound.samples[this.position++] * this.gain;
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("loudspeaker", Loudspeaker);
