// MessagePack, as AIP uses it: no extension types, and the shortest form of everything.

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

// Of numbers that are whole no float is made: the two are the same to AIP.
export function encode(value) {
  const writer = new Writer();
  writer.value(value);
  return writer.taken();
}

// One value, which is all there is; a RangeError or TypeError if it is no MessagePack.
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.at !== bytes.length) throw new RangeError("Bytes follow the value.");
  return value;
}

export function concatenated(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.at = 0;
  }

  taken() {
    return this.bytes.slice(0, this.at);
  }

  // Where so many bytes are to be written.
  room(count) {
    const at = this.at;
    this.at += count;
    if (this.at > this.bytes.length) {
      const larger = new Uint8Array(2 * this.at);
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }

  byte(value) {
    this.put("Uint8", 1, value);
  }

  put(kind, size, value) {
    const at = this.room(size);
    this.view[`set${kind}`](at, value);
  }

  raw(bytes) {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  value(value) {
    if (value === null || value === undefined) this.byte(0xc0);
    else if (typeof value === "boolean") this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "bigint") this.integer(value);
    else if (typeof value === "string") this.string(utf8.encode(value));
    else if (value instanceof Uint8Array) this.bin(value);
    else if (Array.isArray(value)) {
      this.head(value.length, 0x90, 15, [0, 0xdc, 0xdd]);
      for (const each of value) this.value(each);
    } else {
      const entries = Object.entries(value);
      this.head(entries.length, 0x80, 15, [0, 0xde, 0xdf]);
      for (const [name, each] of entries) {
        this.string(utf8.encode(name));
        this.value(each);
      }
    }
  }

  number(value) {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.integer(BigInt(value));
    this.byte(0xcb);
    this.put("Float64", 8, value);
  }

  integer(value) {
    if (value >= 0n) {
      if (value < 1n << 7n) return this.byte(Number(value));
      this.sized(value, [0xcc, 0xcd, 0xce, 0xcf], "Uint", (size) => value < 1n << BigInt(size));
    } else {
      if (value >= -32n) return this.byte(Number(value + 256n));
      const fits = (size) => value >= -(1n << BigInt(size - 1));
      this.sized(value, [0xd0, 0xd1, 0xd2, 0xd3], "Int", fits);
    }
  }

  sized(value, codes, kind, fits) {
    const which = [8, 16, 32, 64].findIndex(fits);
    if (which < 0) throw new RangeError("An integer has at most 64 bits.");
    const bits = 8 << which;
    this.byte(codes[which]);
    if (bits === 64) this.put(`Big${kind}64`, 8, value);
    else this.put(`${kind}${bits}`, bits / 8, Number(value));
  }

  string(bytes) {
    this.head(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb]);
    this.raw(bytes);
  }

  bin(bytes) {
    this.head(bytes.length, 0, -1, [0xc4, 0xc5, 0xc6]);
    this.raw(bytes);
  }

  // A length: in the first byte if it is short, else behind one of three codes; 0 stands for none.
  head(length, short, most, codes) {
    if (length <= most) return this.byte(short | length);
    if (codes[0] && length < 1 << 8) {
      this.byte(codes[0]);
      this.byte(length);
    } else if (length < 1 << 16) {
      this.byte(codes[1]);
      this.put("Uint16", 2, length);
    } else {
      this.byte(codes[2]);
      this.put("Uint32", 4, length);
    }
  }
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  value() {
    const code = this.uint(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.map(code & 15);
    if (code < 0xa0) return this.array(code & 15);
    if (code < 0xc0) return this.string(code & 31);
    if (code >= 0xe0) return code - 256;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.raw(this.uint(1 << (code - 0xc4))).slice();
      case 0xca:
        return this.view.getFloat32(this.skip(4));
      case 0xcb:
        return this.view.getFloat64(this.skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.uint(1 << (code - 0xcc));
      case 0xcf:
        return plain(this.view.getBigUint64(this.skip(8)));
      case 0xd0:
        return this.view.getInt8(this.skip(1));
      case 0xd1:
        return this.view.getInt16(this.skip(2));
      case 0xd2:
        return this.view.getInt32(this.skip(4));
      case 0xd3:
        return plain(this.view.getBigInt64(this.skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.string(this.uint(1 << (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.array(this.uint(2 << (code - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.map(this.uint(2 << (code - 0xde)));
    }
    throw new TypeError(`AIP knows no MessagePack of the code ${code}.`);
  }

  skip(count) {
    const at = this.at;
    this.at += count;
    if (this.at > this.bytes.length) throw new RangeError("The value is cut off.");
    return at;
  }

  uint(size) {
    const at = this.skip(size);
    if (size === 1) return this.view.getUint8(at);
    return size === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  raw(length) {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  string(length) {
    return text.decode(this.raw(length));
  }

  array(length) {
    const found = [];
    for (let n = 0; n < length; n++) found.push(this.value());
    return found;
  }

  map(length) {
    const found = {};
    for (let n = 0; n < length; n++) {
      const name = this.value();
      if (typeof name !== "string") throw new TypeError("The keys of an object are text.");
      if (Object.hasOwn(found, name)) throw new TypeError(`The key ${name} comes twice.`);
      // Also if it is __proto__.
      Object.defineProperty(found, name, {
        value: this.value(),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return found;
  }
}

// As a number, if one holds it exactly.
function plain(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
