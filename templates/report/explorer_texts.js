"use strict";
// How packs become texts and texts become elements. Every text of a run stays text: no markup is ever made of one.
const explorerTexts = (() => {
  // ---- Packs

  /** The head of a pack, and its columns when they are asked for. */
  async function unpacked(id) {
    const text = atob(document.getElementById(id).textContent.trim());
    const packed = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const start = 4 + new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
    const column = (name) => {
      const [first, count, width] = head.columns[name];
      const values = new Uint32Array(count);
      for (let plane = 0; plane < width; plane += 1) {
        const from = start + first + plane * count;
        for (let at = 0; at < count; at += 1) values[at] |= bytes[from + at] << (8 * plane);
      }
      return values;
    };
    // Undoes `quantised`: 0 is no number, an odd code is positive.
    const number = (code) => (code === 0 ? NaN : (code % 2 ? (code - 1) / 2 : -code / 2) / head.steps);
    return { head, column, numbers: (name) => Float64Array.from(column(name), number) };
  }

  // ---- Texts and elements

  const ACTING = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u{d800}-\u{dfff}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

  /** Characters that act, as escapes: the same as on the rest of the page. */
  const printable = (text) => text.replace(ACTING, (one) => {
    const code = one.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });

  function brief(text, limit) {
    const whole = printable(text);
    return whole.length > limit ? `${whole.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, "")}\u2026` : whole;
  }

  /** The last words of a text. */
  function ending(text, limit) {
    const whole = printable(text).replace(/\s+/g, " ");
    return whole.length > limit ? `\u2026${whole.slice(-limit).replace(/^(\S*\s|[\udc00-\udfff])/, "")}` : whole;
  }

  const named = (text, limit) => brief(text, limit) || "unnamed";
  const counted = (count) => count.toLocaleString("en-GB");

  /** A number with its sign, written as everywhere on the page. */
  function signed(value, digits) {
    if (Number.isNaN(value)) return "\u2013";
    const size = Math.abs(value);
    const text = size < 1e5 ? size.toFixed(digits) : size.toExponential(2).replace(/\+(\d)$/, "+0$1");
    if (!Number(text)) return value === 0 ? "0" : text;
    return (value > 0 ? "+" : "\u2212") + text;
  }

  /** An element with a class and children; texts become text nodes. */
  function made(tag, kind, ...children) {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...children);
    return element;
  }

  /** A text of a run: isolated, so that its direction ends with it. */
  const isolated = (text) => made("bdi", "", text);

  function header(scope, ...children) {
    return Object.assign(made("th", "", ...children), { scope });
  }

  function button(words, data) {
    const one = Object.assign(made("button", "", ...words), { type: "button" });
    Object.assign(one.dataset, data);
    return one;
  }

  /** A table that may be wider than the screen. */
  function wide(label, kind, caption, ...rows) {
    const scroll = made("div", "scroll", made("table", kind, made("caption", "", caption), ...rows));
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", `${label}, scrolls sideways`);
    return scroll;
  }

  const option = (value, words) => Object.assign(made("option", "", words), { value });

  // ---- Two sides compared

  /** How far two lists agree from the beginning, and how far the rest of them from the end. */
  function agreement(one, other, same) {
    const most = Math.min(one.length, other.length);
    let first = 0;
    while (first < most && same(one[first], other[first])) first += 1;
    let last = 0;
    while (last < most - first && same(one[one.length - 1 - last], other[other.length - 1 - last])) last += 1;
    return [first, last];
  }

  /** A text, with the words marked in which it differs from the other. */
  function compared(text, other) {
    const [mine, theirs] = [text, other].map((whole) => printable(whole).split(/(?<=\s)(?=\S)/u));
    const [first, last] = agreement(mine, theirs, (a, b) => a.trim() === b.trim());
    const sentence = isolated(mine.slice(0, first).join(""));
    const differs = mine.slice(first, mine.length - last).join("");
    if (differs) sentence.append(made("mark", "", differs.trimEnd()), differs.slice(differs.trimEnd().length));
    sentence.append(mine.slice(mine.length - last).join(""));
    return sentence;
  }

  /** Tokens of both sides in columns: shared ones from the left, then those that differ, then what follows alike. */
  function aligned(harmful, affirming) {
    const [first, last] = agreement(harmful, affirming, (a, b) => a.text === b.text && a.named === b.named);
    const end = Math.max(harmful.length, affirming.length) - last;
    const spread = (tokens) => [...tokens.slice(0, tokens.length - last),
      ...Array(end + last - tokens.length).fill(null), ...tokens.slice(tokens.length - last)];
    return { differs: (at) => at >= first && at < end, sides: [spread(harmful), spread(affirming)] };
  }

  return { unpacked, printable, brief, ending, named, counted, signed, made, isolated, header, button, option, wide,
    compared, aligned };
})();
