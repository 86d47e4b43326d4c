// What carries an item's margin and its shift: parts of tokens and words, shaded by side and size. It stands between
// explorer_texts.js and explorer.js.
const explorerParts = (() => {
  const { printable, named, signed, made, isolated, header, wide } = explorerTexts;
  const METHODS = { ig: "Integrated gradients", shapley: "Shapley values", ablation: "One change at a time" };
  const BASELINE = "(baseline)";
  const MOST_EDITS = 12;

  /** The class of a part: towards harm or away from it, in three steps that double, against the largest of its kind. */
  function shade(value, largest) {
    const share = Math.abs(value) / largest;
    const step = share >= 0.5 ? 3 : share >= 0.25 ? 2 : share >= 0.125 ? 1 : 0;
    return step ? `${value > 0 ? "p" : "q"}${step}` : "";
  }

  // What has no number has no size.
  const largestOf = (values) => Math.max(...values.filter(Number.isFinite).map(Math.abs), 1e-9);

  function legend() {
    const step = (kind, words) => made("span", kind, words);
    return made("p", "scale", "Parts of a margin, or of its shift, towards the harmful text (+) or away from it (\u2212), shaded by size against the largest: ",
      step("q3", "\u2212 half"), step("q2", "\u2212 quarter"), step("q1", "\u2212 eighth"), step("", "less"),
      step("p1", "+ eighth"), step("p2", "+ quarter"), step("p3", "+ half"), " and beyond");
  }

  // ---- Tokens: a margin is a sum over them, so their parts need no pack of their own

  /** What is parted: the margin at the end of a stage, and its shift from the beginning. */
  function sumsOf(checkpoints, stage, leaf, names) {
    const at = (checkpoint) => checkpoints.indexOf(checkpoint);
    const [before, after] = stage ?? [-1, leaf];
    const found = [];
    if (at(after) >= 0) found.push({ words: `part of margin, ${named(names[after], 24)}`, of: (token) => token.logprobs[at(after)] });
    if (at(before) >= 0 && at(after) >= 0) {
      found.push({ words: `part of shift, ${named(names[before], 24)} \u2192 ${named(names[after], 24)}`,
        of: (token) => token.logprobs[at(after)] - token.logprobs[at(before)] });
    }
    return found;
  }

  /** Parts of one side in the columns of its tokens; `both` are the tokens of both sides, which are shaded alike. */
  function tokenLines(sums, tokens, side, both) {
    const sign = side ? -1 : 1;
    return sums.map(({ words, of }) => {
      const largest = largestOf(both.map(of));
      const cells = tokens.map((token) => (token
        ? made("td", shade(sign * of(token), largest), signed(sign * of(token), 2)) : made("td", "")));
      return made("tr", "x-parts", header("row", isolated(words)), ...cells);
    });
  }

  // ---- Words, by other methods

  /** What the pack says, by pair. */
  function wordsOf({ head, column, numbers }) {
    const [row, method, checkpoint, reference, length, word, side, role, instead] =
      ["row", "method", "checkpoint", "reference", "length", "word", "side", "role", "instead"].map(column);
    const [values, totals] = [numbers("value"), numbers("total")];
    const text = (code) => (code ? head.texts[code - 1] : null);
    const found = new Map();
    let first = 0;
    for (let at = 0; at < row.length; at += 1) {
      const words = Array.from({ length: length[at] }, (_, place) => ({ text: text(word[first + place]),
        side: side[first + place], role: role[first + place] ? head.roles[role[first + place] - 1] : "",
        instead: text(instead[first + place]), value: values[first + place] }));
      first += length[at];
      if (!found.has(row[at])) found.set(row[at], []);
      found.get(row[at]).push({ method: head.methods[method[at]], checkpoint: checkpoint[at],
        reference: reference[at] - 1, total: totals[at], words });
    }
    return found;
  }

  function numberOf(one, names) {
    const name = (at) => named(names[at], 24);
    return one.reference < 0 ? `margin at ${name(one.checkpoint)}`
      : `shift ${name(one.reference)} \u2192 ${name(one.checkpoint)}`;
  }

  /** The words of one place in order, each with its part under it. */
  function wordRow(label, words, largest) {
    const shown = words.map((one) => made("span", "tok", Object.assign(made("bdi", "t", printable(one.text)), { title: one.role }),
      made("span", shade(one.value, largest), signed(one.value, 2)), made("span", "dim", one.role || "\u00a0")));
    return made("div", "side", made("p", "label", label), made("div", "gloss", ...shown));
  }

  function drawSplit(one, labels, about) {
    const largest = largestOf(one.words.map((word) => word.value));
    const sum = one.words.reduce((total, word) => total + word.value, 0);
    const places = ["Context", ...labels].map((label, side) =>
      [label, one.words.filter((word) => word.side === side && word.text !== BASELINE)]);
    const bare = one.words.filter((word) => word.text === BASELINE);
    const without = bare.length ? `, ${signed(bare[0].value, 2)} of it without any word` : "";
    return made("div", "", made("p", "note", `${about} of ${signed(one.total, 3)}: the parts add up to ${signed(sum, 3)}${without}.`),
      ...places.filter(([, words]) => words.length).map(([label, words]) => wordRow(label, words, largest)));
  }

  /** What the number would be with one word changed; what takes most away or adds most stands on top. */
  function drawEdits(one, labels, about) {
    const words = one.words.filter((word) => word.text !== BASELINE);
    words.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const largest = largestOf(words.map((word) => word.value));
    const quoted = (text) => ["\u201c", isolated(named(text, 60)), "\u201d"];
    const lines = words.slice(0, MOST_EDITS).map((word) => {
      const change = word.instead ? ["replace ", ...quoted(word.text), " by ", ...quoted(word.instead)]
        : ["leave out ", ...quoted(word.text)];
      return made("tr", "", header("row", ...change), made("td", "n", signed(one.total - word.value, 2)),
        made("td", `n ${shade(-word.value, largest)}`, signed(-word.value, 2)),
        made("td", "dim", [word.role, word.side ? labels[word.side - 1].toLowerCase() : "context"].filter(Boolean).join(", ")));
    });
    const more = words.length > MOST_EDITS ? ` The ${MOST_EDITS} largest of ${words.length}.` : "";
    const heads = ["Change", "Becomes", "By", "Where"].map((head) => header("col", head));
    for (const head of heads.slice(1, 3)) head.className = "n";
    return wide("Changes of one word", "x-edits", `${about} of ${signed(one.total, 2)}, with one word changed.${more}`,
      made("thead", "", made("tr", "", ...heads)), made("tbody", "", ...lines));
  }

  /** All methods: of each the shift first, and the margin folded where there is a shift. */
  function drawWords(found, labels, names) {
    const methods = [...new Set(found.map((one) => one.method))];
    return made("div", "", made("h4", "", "Attribution to words"), ...methods.flatMap((method) => {
      const own = found.filter((one) => one.method === method).sort((a, b) => b.reference - a.reference);
      const draw = method === "ablation" ? drawEdits : drawSplit;
      return own.map((one, at) => {
        const about = `${METHODS[method] ?? named(method, 24)}, ${numberOf(one, names)}`;
        const drawn = draw(one, labels, about);
        return at ? made("details", "", made("summary", "", isolated(about)), drawn) : drawn;
      });
    }));
  }

  return { sumsOf, tokenLines, legend, wordsOf, drawWords };
})();
