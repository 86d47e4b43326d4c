"use strict";
// The item explorer. It reads the packs at the end of the page (auditor/adapters/report/items/column_packs.py) and asks nobody
// for anything; what it writes with is in explorer_texts.js and explorer_parts.js, before it.
(() => {
  const root = document.getElementById("explorer");
  if (!root || !window.DecompressionStream) return;
  const { unpacked, printable, brief, ending, named, counted, signed, made, isolated, header, button, option, wide,
    compared, aligned } = explorerTexts;
  const { sumsOf, tokenLines, legend, wordsOf, drawWords } = explorerParts;

  // ---- Pairs: everything about one stands at its number in a column

  const FACETS = ["probe", "identity", "axis", "theme", "verdict"];
  const MARKS = { strongest: 1 | 2, texts: 4, tokens: 8, words: 16 };
  const BYTES = [0, 1, 2, 3, 4, 5];
  let told;
  let names;
  let codes;
  let margins;
  let references;
  let matched;
  let sides;
  let glosses;
  let splits;

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
  function glossesOf({ head, column, numbers }) {
    const [row, side, set, length, left, word, aside] =
      ["row", "side", "set", "length", "left", "word", "named"].map(column);
    const logprobs = numbers("logprob");
    const found = new Map();
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
      if (!found.has(row[at])) found.set(row[at], []);
      found.get(row[at]).push({ side: side[at], checkpoints, tokens, left: left[at] });
    }
    return found;
  }

  const nameOf = (facet, row) => names[facet][codes[facet][row]];
  const textOf = (side, row) => (sides[side][row] ? sides.texts[sides[side][row] - 1] : null);
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
    stage: "", shift: "", least: "", sort: "", page: "1", size: "25", item: "" };
  const UNNAMED = "(none)";
  // The view, as the address has it; of it follow the pairs that are listed and the one that is open, if any.
  let asked = { ...NOTHING };
  let shown = [];
  let open = -1;

  function codeOf(facet) {
    const code = names[facet].indexOf(asked[facet]);
    return code < 0 && asked[facet] === UNNAMED ? names[facet].indexOf("") : code;
  }

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
    const texts = [false, ...holds(sides.texts)];
    for (const name of ["context", "harmful", "affirming"]) about.push([texts, sides[name]]);
    return (row) => ids[row] || about.some(([found, own]) => found[own[row]]);
  }

  function matching() {
    const facets = FACETS.filter((name) => asked[name] !== "").map((name) => [codes[name], codeOf(name)]);
    const [found, stage, marks, least] = [finder(), stageAsked(), MARKS[asked.kind], Number(asked.least)];
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
    const rank = ranks(key !== "text" ? names[key] : sides.texts.length ? sides.texts : told.ids);
    if (key !== "text") return (row) => rank[codes[key][row]];
    return sides.texts.length ? (row) => rank[sides.harmful[row] - 1] ?? NaN : (row) => rank[row];
  }

  /** The column and direction asked for; else by the margin where training ended, the largest first. */
  function sortAsked() {
    if (!asked.sort) return { key: `margin${told.leaf}`, down: true };
    return { key: asked.sort.replace("-", ""), down: asked.sort.startsWith("-") };
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

  // ---- The address: the whole view stands in it, so that Back, Forward, a link and a reload show the same

  // Marks entries of the history that have been shown; the one that a link makes has no mark yet.
  const SEEN = "seen";
  // A page that still glides somewhere when Back comes would not come back.
  const AT_ONCE = { behavior: "instant" };
  let lastHash = "";

  /** What an address asks for, null where it is none of the explorer's. */
  function partsOf(hash) {
    if (hash.startsWith("#items?")) return new URLSearchParams(hash.slice("#items?".length));
    const item = /^#item-([0-9a-f]{12})$/.exec(hash);
    return item && new URLSearchParams({ item: item[1] });
  }

  /** Where the view is found. The item that is open says which page it stands on. */
  function addressOf() {
    const said = Object.keys(NOTHING).filter((name) => asked[name] !== NOTHING[name] && !(name === "page" && asked.item));
    if (!said.length) return "#items";
    if (said.join() === "item") return `#item-${asked.item}`;
    return `#items?${new URLSearchParams(said.map((name) => [name, asked[name]]))}`;
  }

  /** Change the history by `pushState`, for a new entry, or by `replaceState`. */
  function enter(how, hash) {
    try {
      history[how](SEEN, "", hash);
    } catch {
      // A page inside another one may have no address of its own to change; all else works.
    }
    lastHash = location.hash;
  }

  /** Ask for what the address does: any that is none of the explorer's asks for nothing. */
  function readAddress() {
    const parts = partsOf(location.hash) ?? new URLSearchParams();
    asked = Object.fromEntries(Object.entries(NOTHING).map(([name, none]) => [name, parts.get(name) ?? none]));
    fillControls();
    if (!columns().some(({ key }) => [key, `-${key}`].includes(asked.sort))) asked.sort = "";
  }

  /** Show what the address asks for by now. */
  function follow() {
    const [before, left] = [addressOf(), lastHash];
    stopTyping();
    readAddress();
    const changed = addressOf() !== before;
    if (changed) refresh();
    // Whoever follows the link of the present address stays at an entry that has been shown.
    if (history.state === SEEN && location.hash !== left) comeBack(left);
    else goOn(changed);
    enter("replaceState", location.hash);
  }

  /** A link leads on: the eye and the keyboard go to what it asked for. */
  function goOn(changed) {
    if (!partsOf(location.hash)) {
      // It has moved, if it stands below a table of another height now.
      if (changed) document.getElementById(location.hash.slice(1))?.scrollIntoView(AT_ONCE);
    } else if (open >= 0) focusOn(open, "start");
    else {
      document.getElementById("items").scrollIntoView(AT_ONCE);
      control("q").focus({ preventScroll: true });
    }
  }

  /** After Back and Forward the browser scrolls; the keyboard goes along, back to the link if it was one. */
  function comeBack(left) {
    const { style } = document.documentElement;
    style.scrollBehavior = "auto";
    requestAnimationFrame(() => style.removeProperty("scroll-behavior"));
    const inside = root.contains(document.activeElement);
    const link = () => [...document.links].find((one) => one.hash === left && !root.contains(one));
    if (!partsOf(location.hash)) {
      if (inside) link()?.focus({ preventScroll: true });
    } else if (open >= 0 || !inside) stayAt({ row: open });
  }

  // ---- The table

  /** What stays folded until the page's switch is on. */
  const explicit = (tag, kind, ...children) =>
    made(tag, `${told.private ? "plainly" : "explicit"} ${kind}`, ...children);

  const control = (name) => document.getElementById(`x-${name}`);
  const sizeAsked = () => Number(asked.size);
  const pagesShown = () => Math.max(1, Math.ceil(shown.length / sizeAsked()));
  const opener = (row) => root.querySelector(`#x-rows th [data-row="${row}"]`);

  function focusOn(row, block) {
    opener(row).focus({ preventScroll: true });
    opener(row).scrollIntoView({ ...AT_ONCE, block });
  }

  /** Put the focus on the button of a column or a row; where there is none any more, on the table. */
  function stayAt({ sort, row }) {
    const found = sort ? root.querySelector(`#x-head [data-sort="${sort}"]`) : opener(row);
    (found ?? root.querySelector(".x-scroll")).focus({ preventScroll: true });
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
    const who = button([isolated(named(nameOf("identity", row), 60)),
      made("span", "unseen", `, item ${anchorOf(row)}`)], { row });
    who.setAttribute("aria-expanded", String(row === open));
    if (row === open) who.setAttribute("aria-controls", "x-item");
    const [context, text] = [textOf("context", row), textOf("harmful", row)];
    const before = context === null ? [] : [made("span", "dim", isolated(ending(context, 60)), " ")];
    const about = text === null ? explicit("span", "id", isolated(brief(told.ids[row], 80)))
      : explicit("span", "", ...before, isolated(brief(text, 160)));
    const cells = columns().filter((one) => one.number).map((one) => made("td", "n", signed(sortKey(one.key)(row), 2)));
    return made("tr", row === open ? "x-open" : "", header("row", who), ...cells,
      made("td", "x-theme", isolated(brief(nameOf("theme", row), 40))),
      made("td", "x-text", about, ...(told.private ? [] : [made("span", "folded dim", "folded")])));
  }

  /** What the table holds, in words. */
  function saidOf(page, pages) {
    if (asked.item && open < 0) {
      return rowAt(asked.item) < 0 ? "This report has no item at that address."
        : "The item at that address does not fit these filters.";
    }
    const all = counted(told.ids.length);
    const of = shown.length === told.ids.length ? all : `${counted(shown.length)} of ${all}`;
    return shown.length ? `${of} items, page ${counted(page)} of ${counted(pages)}` : "No item fits these filters.";
  }

  /** Draw one page of what is shown; whoever was at a button of the table stays at it. */
  function drawTable() {
    const held = document.activeElement?.closest("#x-head [data-sort], #x-rows [data-row]");
    const place = asked.item ? shown.indexOf(rowAt(asked.item)) : -1;
    open = shown[place] ?? -1;
    const pages = pagesShown();
    const wanted = place < 0 ? Number(asked.page) : 1 + place / sizeAsked();
    const page = Math.min(pages, Math.max(1, Math.floor(wanted) || 1));
    asked.page = String(page);
    drawHead();
    const rows = shown.slice((page - 1) * sizeAsked(), page * sizeAsked());
    control("rows").replaceChildren(...rows.flatMap((row) => (row === open ? [drawRow(row), drawItem(row)]
      : [drawRow(row)])));
    control("count").textContent = saidOf(page, pages);
    for (const [name, off] of [["first", page === 1], ["before", page === 1], ["next", page === pages],
      ["last", page === pages]]) control(name).setAttribute("aria-disabled", String(off));
    if (held) stayAt(held.dataset);
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

  function drawTokens(row, own) {
    const pairs = new Map();
    for (const gloss of own) {
      const key = gloss.checkpoints.join();
      if (!pairs.has(key)) pairs.set(key, [null, null]);
      pairs.get(key)[gloss.side] = gloss;
    }
    const lines = [...pairs.values()].flatMap((pair) => {
      const grid = aligned(...pair.map((gloss) => (gloss ? gloss.tokens : [])));
      const both = pair.flatMap((gloss) => (gloss ? gloss.tokens : []));
      return pair.flatMap((gloss, side) => (gloss ? drawGloss(gloss, grid, side, labelsOf(row)[side], both) : []));
    });
    return explicit("div", "", wide("Tokens", "x-tokens",
      "Log-probability of each token in nats, at each checkpoint; tokens that differ are underlined", made("tbody", "", ...lines)),
      made("p", "note", "The last lines are each token\u2019s parts of the margin and of its shift: over all tokens of both sides they add up to these"
        + (nameOf("design", row) === "responsiveness" ? ", before the row without a declaration is subtracted." : ".")));
  }

  function drawGloss(gloss, grid, side, label, both) {
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
    const sums = sumsOf(gloss.checkpoints, told.stages[stageAsked()], told.leaf, told.checkpoints);
    return [made("tr", "x-side", header("row", label), ...tokens), ...lines,
      ...tokenLines(sums, grid.sides[side], side, both)];
  }

  /** Scores of both sides, margin, and shift from what each checkpoint was trained from. */
  function drawNumbers(row) {
    const beside = !Number.isNaN(excessOf(told.leaf, row));
    const heads = ["Checkpoint", ...labelsOf(row), "Margin", "Shift", ...(beside ? ["Reference", "Excess"] : [])];
    const lines = told.checkpoints.map((name, at) => {
      const stage = told.stages.findIndex(([, after]) => after === at);
      const harmful = sides.scores[at][row];
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
        : sides.texts.length ? "Its texts are not on this page: items.parquet has them under its id."
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
    const words = made("div", "");
    const scale = codes.marks[row] & (MARKS.tokens | MARKS.words) ? [explicit("div", "", legend())] : [];
    if (codes.marks[row] & MARKS.tokens) addTokens(row, tokens);
    if (codes.marks[row] & MARKS.words) addWords(row, words);
    const detail = made("div", "x-detail", heading, about, ...(told.private ? [] : [switched]), id, drawTexts(row),
      drawNumbers(row), ...scale, tokens, words, button(["Close this item"], { row }));
    const cell = made("td", "", Object.assign(detail, { id: "x-item" }));
    const line = made("tr", "x-item", Object.assign(cell, { colSpan: columns().length }));
    line.dataset.row = row;
    return line;
  }

  async function addTokens(row, place) {
    glosses ??= unpacked("explorer-tokens").then(glossesOf);
    place.replaceChildren(drawTokens(row, (await glosses).get(row)));
  }

  async function addWords(row, place) {
    splits ??= unpacked("explorer-words").then(wordsOf);
    place.replaceChildren(explicit("div", "", drawWords((await splits).get(row), labelsOf(row), told.checkpoints)));
  }

  // ---- Controls

  function listControls() {
    for (const name of FACETS) {
      const words = name === "probe" ? told.titles : names[name];
      const values = names[name].map((value, at) => option(value || UNNAMED,
        name === "verdict" ? (value || "none").replaceAll("_", " ") : named(words[at], 60)));
      values.sort((a, b) => (a.textContent < b.textContent ? -1 : 1));
      control(name).append(option("", "any"), ...values);
    }
    control("stage").append(...told.stages.map(([before], at) => option(stageName(at),
      `${named(told.checkpoints[before], 24)} \u2192 ${named(stageName(at), 24)}`)));
    control("stages").hidden = told.stages.length === 0;
  }

  /** Choose what is asked of a facet. An address may ask for what this report has none of: that is said, too. */
  function fillFacet(name) {
    const field = control(name);
    field.querySelector("[data-absent]")?.remove();
    field.value = asked[name];
    if (field.selectedIndex < 0) {
      const absent = option(asked[name], named(asked[name], 60));
      absent.dataset.absent = "";
      field.append(absent);
      absent.selected = true;
    }
    field.closest("p").hidden = names[name].length < 2 && asked[name] === "";
  }

  /** Show in the controls what is asked, and ask for nothing that they cannot show. */
  function fillControls() {
    for (const name of FACETS) fillFacet(name);
    for (const name of ["q", "kind", "shift", "least", "size"]) {
      const field = control(name);
      field.value = asked[name];
      asked[name] = (field.validity.valid && field.value) || NOTHING[name];
      field.value = asked[name];
    }
    if (!told.stages.some((_, at) => stageName(at) === asked.stage)) asked.stage = "";
    if (told.stages.length) control("stage").value = stageName(stageAsked());
    tellRefused(false);
  }

  function tellRefused(refused) {
    control("least").setAttribute("aria-invalid", String(refused));
    control("refused").textContent = refused ? "Not used: it must be 0 or more." : "";
  }

  /** Ask something else: from the first page and with no item open, unless it is a page or an item that is asked for. */
  function ask(changes, how = "pushState") {
    asked = { ...asked, page: "1", item: "", ...changes };
    // First, because the history keeps how far the page is scrolled before it is drawn anew.
    enter(addressOf() === location.hash ? "replaceState" : how, addressOf());
    if (Object.keys(changes).every((name) => name === "page" || name === "item")) drawTable();
    else refresh();
  }

  let waiting;
  let typing = false;

  function stopTyping() {
    clearTimeout(waiting);
    typing = false;
  }

  /** Ask for what has been typed. From the first letter until the field is left it is one entry of the history. */
  function askTyped() {
    const least = control("least");
    const refused = !least.validity.valid;
    const typed = { q: control("q").value, least: refused ? "" : least.value };
    tellRefused(refused);
    if (typed.q === asked.q && typed.least === asked.least) return;
    ask(typed, typing ? "replaceState" : "pushState");
    typing = true;
  }

  function toggle(row) {
    ask({ item: open === row ? "" : anchorOf(row), page: asked.page });
    focusOn(row, "nearest");
  }

  function sortBy(clicked) {
    const { key, down } = sortAsked();
    // Of a number the first question is where it is largest.
    const falls = clicked === key ? !down : /^(shift|excess|margin\d+)$/.test(clicked);
    ask({ sort: `${falls ? "-" : ""}${clicked}` });
  }

  function reveal(target) {
    document.getElementById("reveal").click();
    // The button folds away.
    stayAt(target.closest("[data-row]")?.dataset ?? {});
  }

  function pressed(event) {
    const target = event.target.closest("button");
    if (!target || target.getAttribute("aria-disabled") === "true") return;
    const page = Number(asked.page);
    const turns = { first: 1, before: page - 1, next: page + 1, last: pagesShown() };
    if (target.dataset.row) toggle(Number(target.dataset.row));
    else if (target.dataset.sort) sortBy(target.dataset.sort);
    else if (target.dataset.reveal === "") reveal(target);
    else if (target.id === "x-clear") {
      ask({ ...NOTHING });
      fillControls();
    } else ask({ page: String(turns[target.id.slice(2)]) });
  }

  function escaped(event) {
    // In a field the key is the field's own.
    if (event.key !== "Escape" || open < 0 || event.target.closest("input, select")) return;
    event.preventDefault();
    toggle(open);
  }

  function listen() {
    root.addEventListener("click", pressed);
    root.addEventListener("keydown", escaped);
    for (const name of ["q", "least"]) {
      control(name).addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(askTyped, 150);
      });
      control(name).addEventListener("change", () => {
        askTyped();
        stopTyping();
      });
    }
    for (const name of [...FACETS, "kind", "stage", "shift", "size"]) {
      control(name).addEventListener("change", (event) => ask({ [name]: event.target.value }));
    }
    window.addEventListener("popstate", follow);
  }

  async function start() {
    const [items, texts] = await Promise.all(["explorer-items", "explorer-sides"].map(unpacked));
    readItems(items);
    readSides(texts);
    listControls();
    readAddress();
    refresh();
    listen();
    document.getElementById("strongest").hidden = true;
    root.hidden = false;
    goOn(false);
    enter("replaceState", location.hash);
    root.ariaBusy = "false";
    performance.mark("explorer-ready");
  }

  // The page is painted first.
  requestAnimationFrame(() => setTimeout(start));
})();
