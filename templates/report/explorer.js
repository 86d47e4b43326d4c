"use strict";
// The item explorer. It reads the packs at the end of the page (auditor/adapters/report/column_packs.py), asks nobody
// for anything, and writes every text of a run as text: no markup is ever made of one.
(() => {
  const root = document.getElementById("explorer");
  if (!root || !window.DecompressionStream) return;

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
    return whole.length > limit ? `\u2026${whole.slice(-limit).replace(/^\S*\s/, "")}` : whole;
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

  /** What stays folded until the page's switch is on. */
  const explicit = (tag, kind, ...children) =>
    made(tag, `${told.private ? "plainly" : "explicit"} ${kind}`, ...children);

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

  // ---- Pairs: everything about one stands at its number in a column

  const FACETS = ["probe", "identity", "axis", "theme", "verdict"];
  const MARKS = { strongest: 1 | 2, texts: 4, tokens: 8 };
  const BYTES = [0, 1, 2, 3, 4, 5];
  let told;
  let names;
  let codes;
  let margins;
  let references;
  let matched;
  let sides = null;
  let glosses = null;

  function readItems({ head, column, numbers }) {
    told = head;
    names = head.names;
    codes = { anchor: BYTES.map((at) => column(`anchor${at}`)) };
    for (const name of [...FACETS, "cluster", "design", "marks"]) codes[name] = column(name);
    margins = head.checkpoints.map((_, at) => numbers(`margin${at}`));
    references = head.checkpoints.map((_, at) => numbers(`reference${at}`));
    matched = references[0].some((value) => !Number.isNaN(value));
  }

  function readSides({ head, column, numbers }) {
    sides = { texts: head.texts, scores: told.checkpoints.map((_, at) => numbers(`score${at}`)) };
    for (const name of ["context", "harmful", "affirming"]) sides[name] = column(name);
  }

  /** Tokens by pair: for each a list of glosses. */
  function readGlosses({ head, column, numbers }) {
    const [row, side, set, length, left, word, aside] =
      ["row", "side", "set", "length", "left", "word", "named"].map(column);
    const logprobs = numbers("logprob");
    glosses = new Map();
    let token = 0;
    let value = 0;
    for (let at = 0; at < row.length; at += 1) {
      const checkpoints = head.sets[set[at]];
      const tokens = Array.from({ length: length[at] }, (_, place) => ({
        text: head.texts[word[token + place] - 1],
        named: aside[token + place] === 1,
        logprobs: checkpoints.map((_one, which) => logprobs[value + which * length[at] + place]),
      }));
      token += length[at];
      value += length[at] * checkpoints.length;
      if (!glosses.has(row[at])) glosses.set(row[at], []);
      glosses.get(row[at]).push({ side: side[at], checkpoints, tokens, left: left[at] });
    }
  }

  const nameOf = (facet, row) => names[facet][codes[facet][row]];
  const textOf = (side, row) => (sides && sides[side][row] ? sides.texts[sides[side][row] - 1] : null);
  const anchorOf = (row) => codes.anchor.map((own) => own[row].toString(16).padStart(2, "0")).join("");
  const shiftOf = (stage, row) => margins[told.stages[stage][1]][row] - margins[told.stages[stage][0]][row];
  const excessOf = (checkpoint, row) => margins[checkpoint][row] - references[checkpoint][row];
  const stageName = (stage) => told.checkpoints[told.stages[stage][1]];

  function rowAt(anchor) {
    const wanted = BYTES.map((at) => parseInt(anchor.slice(2 * at, 2 * at + 2), 16));
    return codes.anchor[0].findIndex((_, row) => BYTES.every((at) => codes.anchor[at][row] === wanted[at]));
  }

  // ---- What is asked

  const NOTHING = { q: "", probe: "", identity: "", axis: "", theme: "", verdict: "", kind: "",
    stage: "", shift: "", least: "", sort: "", page: "1", size: "25" };
  const UNNAMED = "(none)";
  let asked = { ...NOTHING };
  let shown = [];
  let open = -1;

  /** The stage that is spoken of: the one asked for, else the last one towards the leaf; -1 where there is none. */
  function stageAsked() {
    const found = told.stages.findIndex((_, at) => stageName(at) === asked.stage);
    return found >= 0 ? found : told.stages.findIndex(([, after]) => after === told.leaf);
  }

  /** Which pairs hold what is looked for, in their texts, ids or names. */
  function finder() {
    const wanted = asked.q.trim().toLowerCase();
    const holds = (texts) => texts.map((text) => text.toLowerCase().includes(wanted));
    if (!wanted) return () => true;
    const ids = holds(told.ids);
    const about = [[holds(told.titles), codes.probe]];
    for (const name of ["identity", "axis", "theme", "cluster"]) about.push([holds(names[name]), codes[name]]);
    const texts = sides ? [false, ...holds(sides.texts)] : [];
    if (sides) for (const name of ["context", "harmful", "affirming"]) about.push([texts, sides[name]]);
    return (row) => ids[row] || about.some(([found, own]) => found[own[row]]);
  }

  function matching() {
    const facets = FACETS.filter((name) => asked[name] !== "").map((name) =>
      [codes[name], names[name].indexOf(asked[name] === UNNAMED ? "" : asked[name])]);
    const [found, stage, marks] = [finder(), stageAsked(), MARKS[asked.kind] || 0];
    const least = Math.max(0, Number(asked.least) || 0);
    const moved = (shift) => Math.abs(shift) >= least && (asked.shift !== "up" || shift > 0) &&
      (asked.shift !== "down" || shift < 0);
    const asksMove = stage >= 0 && (asked.shift !== "" || least > 0);
    const rows = [];
    for (let row = 0; row < told.ids.length; row += 1) {
      if ((!marks || codes.marks[row] & marks) && facets.every(([own, code]) => own[row] === code) &&
        (!asksMove || moved(shiftOf(stage, row))) && found(row)) rows.push(row);
    }
    return rows;
  }

  /** Columns of the table; of a long series the first and the last checkpoints, an item shows them all. */
  function columns() {
    const all = told.checkpoints.map((name, at) => ({ key: `margin${at}`, words: named(name, 24), number: true }));
    const few = all.length > 6 ? [all[0], ...all.slice(-5)] : all;
    const stage = stageAsked();
    const shift = { key: "shift", words: stage < 0 ? "" : `shift to ${named(stageName(stage), 24)}`, number: true };
    const excess = { key: "excess", words: `excess at ${named(told.checkpoints[told.leaf], 24)}`, number: true };
    return [{ key: "identity", words: "Identity" }, ...few, ...(stage < 0 ? [] : [shift]), ...(matched ? [excess] : []),
      { key: "theme", words: "Theme" }, { key: "text", words: told.private ? "Id" : "Text" }];
  }

  /** The place of each text in the order of their characters. */
  function ranks(texts) {
    const order = texts.map((_, at) => at).sort((a, b) => (texts[a] < texts[b] ? -1 : Number(texts[a] > texts[b])));
    const found = new Float64Array(texts.length);
    order.forEach((code, rank) => { found[code] = rank; });
    return found;
  }

  /** What a column is sorted by: a number of each pair. */
  function sortKey(key) {
    if (key === "shift") return (row) => shiftOf(stageAsked(), row);
    if (key === "excess") return (row) => excessOf(told.leaf, row);
    if (key.startsWith("margin")) return (row) => margins[Number(key.slice(6))][row];
    const rank = ranks(key !== "text" ? names[key] : sides && sides.texts.length ? sides.texts : told.ids);
    if (key !== "text") return (row) => rank[codes[key][row]];
    return sides && sides.texts.length ? (row) => rank[sides.harmful[row] - 1] ?? NaN : (row) => rank[row];
  }

  /** The column and direction asked for; else by the margin where training ended, the largest first. */
  function sortAsked() {
    const [, down, key] = /^(-?)(.*)$/s.exec(asked.sort);
    const known = columns().some((one) => one.key === key);
    return known ? { key, down: down === "-" } : { key: `margin${told.leaf}`, down: true };
  }

  function sorted(rows) {
    const { key, down } = sortAsked();
    const keyOf = sortKey(key);
    const keys = new Float64Array(told.ids.length);
    for (const row of rows) keys[row] = keyOf(row);
    // What has no number comes last, whichever way.
    const lacks = (row) => Number(Number.isNaN(keys[row]));
    return rows.sort((a, b) => lacks(a) - lacks(b) || (down ? keys[b] - keys[a] : keys[a] - keys[b]) || a - b);
  }

  // ---- The address

  function writeAddress() {
    const parts = new URLSearchParams(Object.entries(asked).filter(([name, value]) => value !== NOTHING[name]));
    const view = parts.toString() ? `#items?${parts}` : "#items";
    try {
      history.replaceState(null, "", open >= 0 ? `#item-${anchorOf(open)}` : view);
    } catch {
      // A page inside another one may have no address of its own to change; all else works.
    }
  }

  /** Follow the address to a view or an item; whether it is one of the explorer's. */
  function readAddress() {
    const item = /^#item-([0-9a-f]{12})$/.exec(location.hash);
    if (item) return showItem(rowAt(item[1]));
    if (!location.hash.startsWith("#items?")) return false;
    const parts = new URLSearchParams(location.hash.slice("#items?".length));
    asked = { ...NOTHING };
    for (const name of Object.keys(NOTHING)) asked[name] = parts.get(name) ?? NOTHING[name];
    const least = Number(asked.least);
    asked.least = Number.isFinite(least) && least > 0 ? String(least) : "";
    open = -1;
    fillControls();
    refresh();
    document.getElementById("items").scrollIntoView();
    // Whoever came by a link goes on from here, not from the link.
    control("q").focus({ preventScroll: true });
    return true;
  }

  function showItem(row) {
    open = row;
    if (!shown.includes(row)) {
      asked = { ...NOTHING };
      fillControls();
      shown = sorted(matching());
    }
    if (row >= 0) asked.page = String(1 + Math.floor(shown.indexOf(row) / sizeAsked()));
    drawTable();
    if (row < 0) {
      control("count").textContent = "This report has no item at that address.";
      document.getElementById("items").scrollIntoView();
    } else focusOn(`th button[data-row="${row}"]`, "start");
    return true;
  }

  // ---- The table

  const control = (name) => document.getElementById(`x-${name}`);
  const sizeAsked = () => ({ 50: 50, 100: 100 })[asked.size] || 25;

  function focusOn(selector, block) {
    const found = root.querySelector(selector);
    found.focus({ preventScroll: true });
    found.scrollIntoView({ block });
  }

  function drawHead() {
    const { key, down } = sortAsked();
    control("head").replaceChildren(...columns().map((one) => {
      const sort = button([isolated(one.words)], { sort: one.key });
      const cell = Object.assign(header("col", sort), { className: one.number ? "n" : `x-${one.key}` });
      if (one.key === key) {
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort.append(Object.assign(made("span", "x-arrow", down ? "\u25bc" : "\u25b2"), { ariaHidden: "true" }));
      }
      return cell;
    }));
  }

  function drawRow(row) {
    const opener = button([isolated(named(nameOf("identity", row), 60)),
      made("span", "unseen", `, item ${anchorOf(row)}`)], { row });
    opener.setAttribute("aria-expanded", String(row === open));
    if (row === open) opener.setAttribute("aria-controls", "x-item");
    const [context, text] = [textOf("context", row), textOf("harmful", row)];
    const before = context === null ? [] : [made("span", "dim", isolated(ending(context, 60)), " ")];
    const about = text === null ? explicit("span", "id", isolated(brief(told.ids[row], 80)))
      : explicit("span", "", ...before, isolated(brief(text, 160)));
    const cells = columns().filter((one) => one.number).map((one) => made("td", "n", signed(sortKey(one.key)(row), 2)));
    return made("tr", row === open ? "x-open" : "", header("row", opener), ...cells,
      made("td", "x-theme", isolated(brief(nameOf("theme", row), 40))),
      made("td", "x-text", about, ...(told.private ? [] : [made("span", "folded dim", "folded")])));
  }

  function drawTable() {
    const pages = Math.max(1, Math.ceil(shown.length / sizeAsked()));
    const page = Math.min(pages, Math.max(1, Math.floor(Number(asked.page)) || 1));
    asked.page = String(page);
    drawHead();
    const rows = shown.slice((page - 1) * sizeAsked(), page * sizeAsked());
    control("rows").replaceChildren(...rows.flatMap((row) => (row === open ? [drawRow(row), drawItem(row)]
      : [drawRow(row)])));
    const all = counted(told.ids.length);
    const of = shown.length === told.ids.length ? all : `${counted(shown.length)} of ${all}`;
    control("count").textContent = shown.length ? `${of} items, page ${counted(page)} of ${counted(pages)}`
      : "No item fits these filters.";
    for (const [name, off] of [["first", page === 1], ["before", page === 1], ["next", page === pages],
      ["last", page === pages]]) control(name).setAttribute("aria-disabled", String(off));
  }

  function refresh() {
    shown = sorted(matching());
    drawTable();
  }

  // ---- One item

  const labelsOf = (row) => (nameOf("design", row) === "identity_swap"
    ? ["Sentence about the marked group", "The same about the other group"] : ["Harmful", "Affirming"]);

  /** Step on the page's colour scale. */
  const shade = (value) => (Number.isNaN(value) ? 9 : told.scale.filter((limit) => value < limit).length);

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

  function drawTokens(row) {
    const pairs = new Map();
    for (const gloss of glosses.get(row)) {
      const key = gloss.checkpoints.join();
      if (!pairs.has(key)) pairs.set(key, [null, null]);
      pairs.get(key)[gloss.side] = gloss;
    }
    const lines = [...pairs.values()].flatMap((pair) => {
      const grid = aligned(...pair.map((gloss) => (gloss ? gloss.tokens : [])));
      return pair.flatMap((gloss, side) => (gloss ? drawGloss(gloss, grid, side, labelsOf(row)[side]) : []));
    });
    return explicit("div", "", wide("Tokens", "x-tokens",
      "Log-probability of each token in nats, at each checkpoint; tokens that differ are underlined", made("tbody", "", ...lines)));
  }

  function drawGloss(gloss, grid, side, label) {
    const tokens = grid.sides[side].map((token, at) => {
      if (!token) return made("td", "");
      const kind = `t${token.named ? " named" : ""}${grid.differs(at) ? " x-differs" : ""}`;
      return Object.assign(header("col", isolated(printable(token.text))), { className: kind });
    });
    if (gloss.left) tokens.push(made("td", "dim", `and ${gloss.left} more`));
    const lines = gloss.checkpoints.map((checkpoint, which) => {
      const cells = grid.sides[side].map((token) => (token
        ? made("td", `s${shade(token.logprobs[which])}`, signed(token.logprobs[which], 2)) : made("td", "")));
      return made("tr", "", header("row", isolated(named(told.checkpoints[checkpoint], 24))), ...cells);
    });
    return [made("tr", "x-side", header("row", label), ...tokens), ...lines];
  }

  /** Scores of both sides, margin, and shift from what each checkpoint was trained from. */
  function drawNumbers(row) {
    const beside = !Number.isNaN(excessOf(told.leaf, row));
    const heads = ["Checkpoint", ...labelsOf(row), "Margin", "Shift", ...(beside ? ["Reference", "Excess"] : [])];
    const lines = told.checkpoints.map((name, at) => {
      const stage = told.stages.findIndex(([, after]) => after === at);
      const harmful = sides ? sides.scores[at][row] : NaN;
      const numbers = [harmful, harmful - margins[at][row], margins[at][row], stage < 0 ? NaN : shiftOf(stage, row),
        ...(beside ? [references[at][row], excessOf(at, row)] : [])];
      return made("tr", "", header("row", isolated(named(name, 40))),
        ...numbers.map((value) => made("td", "n", signed(value, 3))));
    });
    const score = told.unit === "nats" ? "Log-probability" : "Reward";
    return wide("Numbers", "x-numbers", `${score} of each side, margin and shift, in ${told.unit}`,
      made("thead", "", made("tr", "", ...heads.map((words) => header("col", words)))), made("tbody", "", ...lines));
  }

  function drawTexts(row) {
    const [context, ...both] = ["context", "harmful", "affirming"].map((side) => textOf(side, row));
    if (both.includes(null)) {
      return made("p", "note", told.private ? "This run keeps its texts private."
        : sides?.texts.length ? "Its texts are not on this page: items.parquet has them under its id."
          : "The run has no texts.");
    }
    const line = (kind, label, text) => made("p", kind, made("span", "label", label), " ", text);
    const before = context === null ? [] : [line("context", "After the context", isolated(printable(context)))];
    return explicit("div", "", ...before, ...labelsOf(row).map((label, side) =>
      line("x-sentence", label, compared(both[side], both[1 - side]))));
  }

  function drawItem(row) {
    const theme = nameOf("theme", row);
    const heading = made("h3", "", isolated(named(nameOf("identity", row), 60)),
      ...(theme ? [", ", isolated(brief(theme, 40))] : []));
    const address = `#item-${anchorOf(row)}`;
    const verdict = (nameOf("verdict", row) || "none").replaceAll("_", " ");
    const about = made("p", "note", isolated(named(told.titles[codes.probe[row]], 80)),
      `. Verdict on the identity: ${verdict}. Permanent address: `,
      Object.assign(made("a", "", address), { href: address }), ".");
    const switched = made("p", "folded note", "Texts are folded. ",
      button(["Show explicit texts on the whole page"], { reveal: "" }));
    const id = explicit("p", "id", "Item ", isolated(brief(told.ids[row], 200)), ", cluster ",
      isolated(named(nameOf("cluster", row), 200)));
    const tokens = made("div", "");
    if (codes.marks[row] & MARKS.tokens) addTokens(row, tokens);
    const detail = made("div", "x-detail", heading, about, ...(told.private ? [] : [switched]), id, drawTexts(row),
      drawNumbers(row), tokens, button(["Close this item"], { row }));
    const cell = made("td", "", Object.assign(detail, { id: "x-item" }));
    return made("tr", "x-item", Object.assign(cell, { colSpan: columns().length }));
  }

  async function addTokens(row, place) {
    if (!glosses) {
      const read = await unpacked("explorer-tokens");
      if (!glosses) readGlosses(read);
    }
    if (glosses.has(row)) place.replaceChildren(drawTokens(row));
  }

  // ---- Controls

  const option = (value, words) => Object.assign(made("option", "", words), { value });

  function listControls() {
    for (const name of FACETS) {
      const words = name === "probe" ? told.titles : names[name];
      const values = names[name].map((value, at) => option(value || UNNAMED,
        name === "verdict" ? (value || "none").replaceAll("_", " ") : named(words[at], 60)));
      values.sort((a, b) => (a.textContent < b.textContent ? -1 : 1));
      control(name).append(option("", "any"), ...values);
      control(name).closest("p").hidden = values.length < 2;
    }
    control("stage").append(...told.stages.map(([before], at) => option(stageName(at),
      `${named(told.checkpoints[before], 24)} \u2192 ${named(stageName(at), 24)}`)));
    control("stages").hidden = told.stages.length === 0;
  }

  function fillControls() {
    for (const name of ["q", ...FACETS, "kind", "shift", "least"]) control(name).value = asked[name];
    control("size").value = String(sizeAsked());
    if (told.stages.length) control("stage").value = stageName(stageAsked());
  }

  /** Ask something else: from the first page, with no item open, unless it is a page that is asked for. */
  function ask(changes) {
    asked = { ...asked, page: "1", ...changes };
    open = -1;
    if (Object.keys(changes).join() === "page") drawTable();
    else refresh();
    writeAddress();
  }

  function toggle(row) {
    open = open === row ? -1 : row;
    drawTable();
    writeAddress();
    focusOn(`th button[data-row="${row}"]`, "nearest");
  }

  function sortBy(clicked) {
    const { key, down } = sortAsked();
    // Of a number the first question is where it is largest.
    const falls = clicked === key ? !down : /^(shift|excess|margin\d+)$/.test(clicked);
    ask({ sort: `${falls ? "-" : ""}${clicked}` });
    root.querySelector(`button[data-sort="${clicked}"]`).focus();
  }

  function pressed(event) {
    const target = event.target.closest("button");
    if (!target || target.getAttribute("aria-disabled") === "true") return;
    const page = Number(asked.page);
    const turns = { first: 1, before: page - 1, next: page + 1, last: Infinity };
    if (target.dataset.row) toggle(Number(target.dataset.row));
    else if (target.dataset.sort) sortBy(target.dataset.sort);
    else if (target.dataset.reveal === "") document.getElementById("reveal").click();
    else if (target.id === "x-clear") {
      asked = { ...NOTHING };
      fillControls();
      ask({ sort: "" });
    } else ask({ page: String(turns[target.id.slice(2)]) });
  }

  function listen() {
    let waiting;
    root.addEventListener("click", pressed);
    for (const name of ["q", "least"]) {
      control(name).addEventListener("input", (event) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => ask({ [name]: event.target.value }), 150);
      });
    }
    for (const name of [...FACETS, "kind", "stage", "shift", "size"]) {
      control(name).addEventListener("change", (event) => ask({ [name]: event.target.value }));
    }
    window.addEventListener("hashchange", readAddress);
  }

  async function start() {
    readItems(await unpacked("explorer-items"));
    listControls();
    fillControls();
    refresh();
    listen();
    document.getElementById("strongest").hidden = true;
    root.hidden = false;
    readSides(await unpacked("explorer-sides"));
    if (!readAddress()) drawTable();
    root.ariaBusy = "false";
    performance.mark("explorer-ready");
  }

  // The page is painted first.
  requestAnimationFrame(() => setTimeout(start));
})();
