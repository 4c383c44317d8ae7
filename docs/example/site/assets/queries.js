"use strict";
// Single examples of a task: two models side by side. The data are loaded when asked for.
(function () {
  const STEP = 50;
  const SEPARATOR = "\u001f";
  const section = document.getElementById("queries");
  let data = null;
  let timer = 0;
  let scored = true; // else the score is no mean over examples, and predictions stand in its place
  let shown = STEP;

  /** An element; text is only ever set as text. */
  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const figure = (score, digits = 2) =>
    score === null || score === undefined ? "–" : (100 * score).toFixed(digits).replace("-", "−");
  const isolated = (text) => make("bdi", { dir: "auto" }, text);
  const keyOf = (query) => [query.split, query.subset, query.id].join("/");

  // ---- Loading

  function load() {
    const button = document.getElementById("load-queries");
    if (!button || button.disabled) return;
    button.disabled = true;
    button.textContent = "Loading …";
    window.siteQueries = (found) => (data = found);
    const script = make("script", { src: section.dataset.src });
    script.addEventListener("load", () => {
      for (const query of data.queries) {
        query.key = keyOf(query);
        query.words = [query.id, data.texts[query.text] || ""].join(" ").toLowerCase();
      }
      button.parentElement.replaceWith(build());
      restore();
    });
    script.addEventListener("error", () => (button.textContent = "The examples are not there."));
    document.head.append(script);
  }

  // ---- Controls

  const controls = {};

  function select(name, title, options) {
    controls[name] = make(
      "select",
      { name },
      ...options.map(([value, text]) => make("option", { value }, text)),
    );
    return make("label", {}, title + " ", controls[name]);
  }

  function build() {
    const labels = data.labels.map((label, index) => [String(index), label]);
    const parts = [...new Set(data.queries.map((query) => query.split + SEPARATOR + query.subset))];
    scored = data.queries.some((query) => query.sides.some((side) => side.score !== null));
    controls.find = make("input", { type: "search", name: "find", autocomplete: "off" });
    const several = labels.length > 1;
    const form = make(
      "form",
      { class: "filters", role: "search", "aria-label": "Choose models and examples" },
      select("a", several ? "Model A" : "Model", labels),
      several ? select("b", "Model B", labels) : null,
      select("by", "First come", [
        ...(scored && several
          ? [
              ["most", "where they differ most"],
              ["a-better", "where A is better"],
              ["b-better", "where B is better"],
            ]
          : []),
        ...(scored ? [["worst", "the worst"], ["best", "the best"]] : []),
        ["given", "as chosen"],
      ]),
      parts.length > 1
        ? select("part", "Part", [
            ["", "All"],
            ...parts.map((part) => [part, part.split(SEPARATOR).join(" / ")]),
          ])
        : null,
      make("label", { class: "wide" }, "Text contains ", controls.find),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      shown = STEP;
      list();
      clearTimeout(timer);
      // Browsers count how often a page writes its address.
      if (event.target !== controls.find) remember(true);
      else timer = setTimeout(() => remember(false), 200);
    });
    controls.count = make("p", { role: "status", class: "count" });
    controls.list = make("div", {
      class: "scroll",
      tabindex: "0",
      role: "region",
      "aria-label": "Examples",
    });
    controls.more = make("button", { type: "button", class: "more" }, `Show ${STEP} more`);
    controls.more.addEventListener("click", () => {
      shown += STEP;
      list();
    });
    const lacking = data.lacking.map(([label, why]) => make("li", {}, isolated(label), `: ${why}`));
    return make(
      "div",
      {},
      form,
      controls.count,
      controls.list,
      controls.more,
      lacking.length ? make("ul", { class: "notes" }, ...lacking) : null,
    );
  }

  function defaults() {
    const by = controls.by.options[0].value;
    return { a: "0", b: data.labels.length > 1 ? "1" : "", by, part: "", find: "" };
  }

  /** Models stand in the address by name: their numbers change with the records. */
  function named(name, value) {
    return name === "a" || name === "b" ? data.labels[Number(value)] : value;
  }

  function remember(step) {
    clearTimeout(timer);
    const first = defaults();
    const changes = {};
    for (const name of Object.keys(first)) {
      const value = controls[name]?.value ?? "";
      changes[name] = value === first[name] ? "" : named(name, value);
    }
    window.siteAddress.write({ ...changes, examples: "1", query: "" }, step);
  }

  function restore() {
    const found = window.siteAddress.read();
    if (!data) {
      if (found.has("examples") || found.has("query")) load();
      return;
    }
    if (!controls.list) return;
    const first = defaults();
    for (const name of Object.keys(first)) {
      if (!controls[name]) continue;
      let value = found.get(name) ?? named(name, first[name]);
      if (name === "a" || name === "b") value = String(data.labels.indexOf(value));
      controls[name].value = value;
      if (controls[name].value !== value) controls[name].value = first[name];
    }
    list(found.get("query"));
  }

  // ---- The list

  function chosen() {
    const a = Number(controls.a.value);
    const b = controls.b ? Number(controls.b.value) : a;
    const words = controls.find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const part = controls.part?.value || "";
    const difference = (query) => {
      const [left, right] = [query.sides[a].score, query.sides[b].score];
      return left === null || right === null ? null : left - right;
    };
    const mean = (query) => {
      const known = [query.sides[a].score, query.sides[b].score].filter((one) => one !== null);
      return known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
    };
    const measures = {
      most: (query) => (difference(query) === null ? null : Math.abs(difference(query))),
      "a-better": difference,
      "b-better": (query) => (difference(query) === null ? null : -difference(query)),
      worst: (query) => (mean(query) === null ? null : -mean(query)),
      best: mean,
      given: () => 0,
    };
    const measure = measures[controls.by.value];
    const queries = data.queries
      .filter((query) => !part || query.split + SEPARATOR + query.subset === part)
      .filter((query) => words.every((word) => query.words.includes(word)))
      .map((query) => [query, measure(query)]);
    // What has no score comes last; sorting keeps the order of equals.
    queries.sort(([, x], [, y]) => (x === null ? (y === null ? 0 : 1) : y === null ? -1 : y - x));
    return { a, b, difference, queries: queries.map(([query]) => query) };
  }

  function list(open) {
    const { a, b, difference, queries } = chosen();
    const place = open ? queries.findIndex((query) => query.key === open) : -1;
    if (place >= shown) shown = STEP * Math.ceil((place + 1) / STEP);
    const several = Boolean(controls.b);
    const head = (text, number) =>
      make("th", { scope: "col", class: number ? "n" : null }, isolated(text));
    const body = make("tbody");
    for (const query of queries.slice(0, shown)) {
      body.append(...rows(query, a, b, difference(query), several, query.key === open));
    }
    const table = make(
      "table",
      { class: "examples" },
      make("caption", {}, "Examples"),
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          head("Example"),
          head(data.labels[a], scored),
          several ? head(data.labels[b], scored) : null,
          several && scored ? head("Difference", true) : null,
        ),
      ),
      body,
    );
    controls.list.replaceChildren(queries.length ? table : "Nothing matches.");
    const left = data.leftOut ? `; ${data.leftOut.toLocaleString("en")} more are in the records` : "";
    controls.count.textContent =
      `${Math.min(shown, queries.length)} of ${queries.length} examples${left}`;
    controls.more.hidden = queries.length <= shown;
    if (place >= 0) {
      const button = body.querySelector('button[aria-expanded="true"]');
      button.scrollIntoView({ block: "start" });
      button.focus({ preventScroll: true });
    }
  }

  function outcome(side) {
    if (scored) return make("td", { class: "n" }, figure(side.score));
    const said = side.prediction ?? "–";
    return make("td", { class: "said" }, isolated(said.length > 80 ? said.slice(0, 80) + "…" : said));
  }

  let number = 0;

  function rows(query, a, b, difference, several, open) {
    const id = `example-${number++}`;
    const text = data.texts[query.text] ?? query.id;
    const short = text.length > 160 ? text.slice(0, 160).trimEnd() + "…" : text;
    const button = make(
      "button",
      { type: "button", class: "open", "aria-expanded": "false", "aria-controls": id },
      isolated(short),
    );
    const span = 2 + Number(several) + Number(several && scored);
    const detail = make("tr", { id, class: "detail", hidden: "" }, make("td", { colspan: span }));
    const show = (on) => {
      button.setAttribute("aria-expanded", String(on));
      detail.hidden = !on;
      if (on && !detail.firstChild.hasChildNodes()) detail.firstChild.append(details(query, a, b));
    };
    button.addEventListener("click", () => {
      const on = detail.hidden;
      remember(false);
      show(on);
      window.siteAddress.write({ examples: "1", query: on ? query.key : "" }, false);
    });
    if (open) show(true);
    const sign = difference !== null && difference > 0 ? "+" : "";
    return [
      make(
        "tr",
        {},
        make("th", { scope: "row" }, button),
        outcome(query.sides[a]),
        several ? outcome(query.sides[b]) : null,
        several && scored ? make("td", { class: "n" }, sign + figure(difference)) : null,
      ),
      detail,
    ];
  }

  // ---- One example

  function passage(text) {
    if (text === undefined || text === null) return null;
    if (text.length <= 240) return make("p", { class: "passage", dir: "auto" }, text);
    return make(
      "details",
      { class: "passage" },
      make("summary", { dir: "auto" }, text.slice(0, 200).trimEnd() + "…"),
      make("p", { class: "passage", dir: "auto" }, text),
    );
  }

  function details(query, a, b) {
    const address = new URLSearchParams(window.siteAddress.read());
    address.set("examples", "1");
    address.set("query", query.key);
    const facts = [query.split, query.subset].filter((one) => one && one !== "default");
    const box = make(
      "div",
      { class: "example" },
      make(
        "p",
        { class: "faint" },
        "Id ",
        make("code", {}, isolated(query.id)),
        facts.length ? " in " : "",
        facts.length ? isolated(facts.join(" / ")) : "",
        ` · picked: ${query.reason} · `,
        make("a", { href: "#" + address }, "Link to this example"),
      ),
    );
    const text = data.texts[query.text];
    if (text !== undefined) {
      box.append(make("h3", {}, "Text"), make("p", { class: "passage whole", dir: "auto" }, text));
    }
    box.append(...gold(query));
    const sides = make("div", { class: "sides" });
    for (const index of new Set([a, b])) sides.append(side(query, index));
    box.append(sides);
    return box;
  }

  function gold(query) {
    if (typeof query.gold === "string") {
      return query.gold
        ? [make("h3", {}, "Gold"), make("p", { class: "passage", dir: "auto" }, query.gold)]
        : [];
    }
    if (!query.gold.length) return [];
    const items = query.gold.map(([id, , , text]) =>
      make("li", {}, make("code", {}, isolated(id)), passage(data.texts[text])),
    );
    return [make("h3", {}, "Relevant"), make("ul", { class: "hits" }, ...items)];
  }

  function side(query, index) {
    const found = query.sides[index];
    const box = make("section", {}, make("h3", {}, isolated(data.labels[index])));
    if (found.lacking) box.append(make("p", { class: "faint" }, found.lacking));
    if (found.score !== null) {
      box.append(make("p", {}, "Score ", make("b", {}, figure(found.score))));
    }
    if (found.prediction !== null) {
      box.append(
        make("p", { class: "faint" }, "Prediction"),
        make("p", { class: "passage", dir: "auto" }, found.prediction),
      );
    }
    if (found.hits.length) {
      const items = found.hits.map(([id, score, relevant, text]) =>
        make(
          "li",
          { class: relevant ? "relevant" : null },
          make("span", { class: "n" }, score === null ? "–" : score.toFixed(4)),
          " ",
          make("code", {}, isolated(id)),
          relevant ? " " : "",
          relevant ? make("b", { class: "mark" }, "✓ relevant") : "",
          passage(data.texts[text]),
        ),
      );
      box.append(make("ol", { class: "hits" }, ...items));
    }
    if (found.missed.length) {
      box.append(
        make("p", { class: "missed" }, "Relevant, but not among these: ", isolated(found.missed.join(", "))),
      );
    }
    return box;
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("load-queries").addEventListener("click", () => {
      window.siteAddress.write({ examples: "1" }, true);
      load();
    });
    window.addEventListener("popstate", restore);
    restore();
  });
})();
