// doubles: the JavaScript side of doubles_spec.lua, as one child process.
//   node doubles.js BITS LINES OUT_LINES OUT_BITS
// Compares every line of LINES with what JavaScript writes for the double in BITS and prints
// the number of differences and the first; then writes texts of doubles in many notations to
// OUT_LINES and the bits that JavaScript reads from them to OUT_BITS.
"use strict";
const fs = require("fs");
const [bits_path, lines_path, out_lines_path, out_bits_path] = process.argv.slice(2);

const bits = fs.readFileSync(bits_path);
const count = bits.length / 8;
const lines = fs.readFileSync(lines_path, "latin1").split("\n");
let differences = 0;
let first = "";
for (let i = 0; i < count; i++) {
  const wanted = String(bits.readDoubleLE(i * 8));
  if (lines[i] !== wanted && differences++ === 0) first = `${lines[i]} is not ${wanted}`;
}
if (lines.length !== count + 1) differences++;

// The texts: shortest, 17 and 21 digits, exponents, long expansions, points half way.
function notation(number, i) {
  switch (i % 6) {
    case 0: return String(number);
    case 1: return number.toPrecision(17);
    case 2: return number.toExponential(20);
    case 3: return number.toPrecision(1 + i % 30);
    case 4: return halfway(number, Math.floor(i / 6) % 3);
    default: return number.toExponential(i % 16).toUpperCase();
  }
}

// A decimal at or next to the middle between a double and its neighbour.
function halfway(number, offset) {
  if (Math.abs(number) >= 2 ** 900 || Math.abs(number) < 2 ** 53) return String(number);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  view.setBigUint64(0, view.getBigUint64(0) + 1n);
  const middle = (BigInt(number) + BigInt(view.getFloat64(0))) / 2n;
  return String(middle + BigInt(offset) - 1n);
}

const texts = [];
const read_bits = Buffer.alloc(count * 8);
for (let i = 0; i < count; i++) {
  let text = notation(bits.readDoubleLE(i * 8), i);
  if (!Number.isFinite(Number(text))) text = "0";
  texts.push(text);
  read_bits.writeDoubleLE(Number(text), i * 8);
}
fs.writeFileSync(out_lines_path, texts.join("\n"));
fs.writeFileSync(out_bits_path, read_bits);
console.log(`${count} ${differences} ${first}`);
