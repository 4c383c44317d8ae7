"use strict";
// Tables that sort, filter and turn pages by DataTables; what was chosen stands in the address.
(function () {
  const PAGE = 50; // rows; as in site.css
  const DEFAULTS = new Map(); // a control's value before anybody chose

  // ---- The address: what a table shows, after the "#" -------------------------------------

  const address = {
    read() {
      return new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    },
    /** Set some values ("" removes one); `step` makes it a step to go back to. */
    write(changes, step) {
      const found = address.read();
      for (const [name, value] of Object.entries(changes)) {
        if (value === "" || value === null) found.delete(name);
        else found.set(name, value);
      }
      const hash = "#" + found;
      if (hash === (location.hash || "#")) return;
      history[step ? "pushState" : "replaceState"](null, "", hash);
    },
  };
  window.siteAddress = address;

  // ---- Sorting: what was not measured comes last, whichever way ---------------------------

  function setUpTypes() {
    const order = DataTable.ext.type.order;
    const last = (compare) => (a, b) =>
      a === null ? (b === null ? 0 : 1) : b === null ? -1 : compare(a, b);
    const letters = new Intl.Collator("en", { numeric: true }).compare;
    order["figure-pre"] = (value) => (value === "" ? null : Number(value));
    order["figure-asc"] = last((a, b) => a - b);
    order["figure-desc"] = last((a, b) => b - a);
    order["name-pre"] = (value) => (value === "" ? null : String(value));
    order["name-asc"] = last((a, b) => letters(a, b));
    order["name-desc"] = last((a, b) => letters(b, a));
    DataTable.ext.errMode = "throw";
  }

  // ---- A table ---------------------------------------------------------------------------

  class SortedTable {
    constructor(table) {
      this.table = table;
      this.prefix = table.hasAttribute("data-main") ? "" : table.id + ".";
      this.form = document.querySelector(`form[data-for="${CSS.escape(table.id)}"]`);
      this.count = document.querySelector(`[data-count-for="${CSS.escape(table.id)}"]`);
      this.columns = "";
      this.scores = null;
      this.first = this.sorted();
      this.start();
      if (this.form) this.listen();
    }

    heads() {
      return [...this.table.tHead.rows[0].cells];
    }

    /** The column and direction that the page came sorted by. */
    sorted() {
      const head = this.heads().find((one) => one.hasAttribute("aria-sort"));
      if (!head) return null;
      return [head.dataset.key, head.getAttribute("aria-sort") === "descending" ? "desc" : "asc"];
    }

    start() {
      const heads = this.heads();
      for (const head of heads) if (!head.querySelector("button")) this.addButton(head);
      const rows = this.table.tBodies[0].rows.length;
      this.api = new DataTable(this.table, {
        autoWidth: false,
        columns: heads.map((head) => ({
          type: head.classList.contains("n") ? "figure" : "name",
        })),
        language: { emptyTable: "Nothing here.", zeroRecords: "Nothing matches the filters." },
        layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
        order: this.place(this.first),
        orderClasses: false,
        ordering: { handler: false, indicators: false },
        pageLength: PAGE,
        paging: rows > PAGE,
      });
      this.facts = this.inOrder().map((row) => ({ ...row.dataset }));
      this.api.search.fixed("filters", (_text, _cells, index) => this.passes(this.facts[index]));
      this.api.on("draw", () => this.drawn());
      if (rows > PAGE && !this.pager) this.addPager();
      this.drawn();
    }

    /** All rows as they came, which is what DataTables numbers them by. */
    inOrder() {
      return this.api.rows({ order: "index" }).nodes().toArray();
    }

    addButton(head) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      const arrow = document.createElement("span");
      arrow.setAttribute("aria-hidden", "true");
      arrow.className = "arrow";
      button.append(arrow);
      head.append(button);
      button.addEventListener("click", () => {
        const ascends = !head.classList.contains("n") || "low" in head.dataset;
        const [key, direction] = this.current() || [];
        const first = ascends ? "asc" : "desc";
        const next = key !== head.dataset.key ? first : direction === "asc" ? "desc" : "asc";
        address.write({ [this.prefix + "sort"]: `${head.dataset.key}:${next}`, [this.prefix + "page"]: "" }, true);
        this.restore();
      });
    }

    place(sort) {
      if (!sort) return [];
      const index = this.heads().findIndex((head) => head.dataset.key === sort[0]);
      return index < 0 ? [] : [[index, sort[1]]];
    }

    current() {
      const [first] = this.api.order();
      return first && [this.heads()[first[0]].dataset.key, first[1]];
    }

    // ---- Filters

    controls() {
      return this.form ? [...this.form.querySelectorAll("[data-test]")] : [];
    }

    listen() {
      let timer = 0;
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("input", (event) => {
        if (event.target.dataset.test !== "words") return;
        this.api.draw();
        clearTimeout(timer);
        timer = setTimeout(() => this.remember(false), 200);
      });
      this.form.addEventListener("change", () => {
        clearTimeout(timer);
        this.remember(true);
        this.restore();
      });
      this.form.addEventListener("reset", (event) => {
        event.preventDefault();
        clearTimeout(timer);
        for (const control of this.form.elements) this.set(control, DEFAULTS.get(control));
        this.remember(true);
        this.restore();
      });
    }

    get(control) {
      return control.type === "checkbox" ? (control.checked ? "1" : "0") : control.value.trim();
    }

    set(control, value) {
      if (value === undefined) return;
      if (control.type === "checkbox") control.checked = value === "1";
      else if (control.value.trim() !== value) control.value = value;
    }

    remember(step) {
      const changes = { [this.prefix + "page"]: "" };
      for (const control of this.form.elements) {
        if (!control.name) continue;
        const value = this.get(control);
        changes[this.prefix + control.name] = value === DEFAULTS.get(control) ? "" : value;
      }
      address.write(changes, step);
    }

    passes(facts) {
      return this.controls().every((control) => {
        const value = control.value.trim();
        if (!value) return true;
        const found = facts[control.dataset.of] || "";
        const wanted = Number(value) * Number(control.dataset.times || 1);
        switch (control.dataset.test) {
          case "words":
            return value.toLowerCase().split(/\s+/).every((word) => found.toLowerCase().includes(word));
          case "min":
            return Number.isNaN(wanted) || (found !== "" && Number(found) >= wanted);
          case "max":
            return Number.isNaN(wanted) || (found !== "" && Number(found) <= wanted);
          default:
            return found === value;
        }
      });
    }

    // ---- From the address to the page

    restore() {
      const found = address.read();
      if (this.form) {
        for (const control of this.form.elements) {
          if (!control.name) continue;
          if (!DEFAULTS.has(control)) DEFAULTS.set(control, this.get(control));
          this.set(control, found.get(this.prefix + control.name) ?? DEFAULTS.get(control));
          if (control.value && control.closest("details")) {
            if (control.dataset.test) control.closest("details").open = true;
          }
          if (control.dataset.toggles) {
            this.table.classList.toggle("no-" + control.dataset.toggles, !control.checked);
          }
        }
      }
      const columns = this.form?.querySelector("[data-columns]");
      const wanted = columns ? columns.value : "";
      if (wanted !== this.columns) {
        this.withScores(columns, () => {
          this.columns = wanted;
          this.rebuild(wanted);
          this.draw(found);
        });
      } else this.draw(found);
    }

    draw(found) {
      const sort = (found.get(this.prefix + "sort") || "").match(/^(.*):(asc|desc)$/);
      const order = sort ? this.place([sort[1], sort[2]]) : [];
      this.api.order(order.length ? order : this.place(this.first));
      const page = Number(found.get(this.prefix + "page") || 1);
      const rows = found.get(this.prefix + "rows") === "all" ? -1 : PAGE;
      if (this.pager) this.api.page.len(rows);
      this.api.draw();
      if (this.pager && page > 1 && page <= this.api.page.info().pages) {
        this.api.page(page - 1).draw("page");
      }
    }

    drawn() {
      const [key, direction] = this.current() || [];
      for (const head of this.heads()) {
        if (head.dataset.key === key) {
          head.setAttribute("aria-sort", direction === "desc" ? "descending" : "ascending");
        } else head.removeAttribute("aria-sort");
      }
      const { recordsDisplay, recordsTotal, page, pages } = this.api.page.info();
      if (this.count) {
        const said = `${recordsDisplay} of ${recordsTotal} ${this.count.dataset.unit}`;
        if (this.count.textContent !== said) this.count.textContent = said;
      }
      if (this.pager) {
        this.pager.hidden = recordsDisplay <= PAGE;
        this.pager.querySelector("output").textContent = `Page ${page + 1} of ${Math.max(pages, 1)}`;
        const [back, , next, all] = this.pager.children;
        back.disabled = page === 0;
        next.disabled = page + 1 >= pages;
        all.textContent = this.api.page.len() < 0 ? `Show ${PAGE} a page` : "Show all";
      }
    }

    addPager() {
      this.pager = document.createElement("nav");
      this.pager.className = "pager";
      this.pager.setAttribute("aria-label", `Pages of ${this.table.caption.textContent}`);
      const button = (text, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = text;
        made.addEventListener("click", () => {
          address.write(act(this.api.page.info().page + 1), true);
          this.restore();
        });
        return made;
      };
      const name = this.prefix + "page";
      this.pager.append(
        button("Previous", (page) => ({ [name]: page > 2 ? page - 1 : "" })),
        document.createElement("output"),
        button("Next", (page) => ({ [name]: page + 1 })),
        button("Show all", () => ({
          [name]: "",
          [this.prefix + "rows"]: this.api.page.len() < 0 ? "" : "all",
        })),
      );
      this.table.closest(".scroll").after(this.pager);
    }

    // ---- Columns of single tasks, which are loaded when somebody asks for them

    withScores(select, then) {
      if (this.scores) return then();
      window.siteScores = (tasks, rows) => (this.scores = { tasks, rows });
      const script = document.createElement("script");
      script.src = select.dataset.src;
      script.addEventListener("load", then);
      document.head.append(script);
    }

    rebuild(wanted) {
      const rows = this.inOrder();
      this.api.destroy();
      for (const cell of this.table.querySelectorAll(".g-task")) cell.remove();
      const body = this.table.tBodies[0];
      // Cells are faster to add to rows that are not shown.
      body.replaceChildren();
      const tasks = this.scores.tasks
        .map((task, index) => ({ ...task, index }))
        .filter((task) => wanted === "all" || task.type === wanted);
      for (const task of tasks) this.addHead(task);
      for (const row of rows) {
        for (const cell of row.querySelectorAll(".g-task")) cell.remove();
        const scores = wanted ? this.scores.rows[Number(row.dataset.row)] : [];
        const before = row.querySelector(".g-types");
        for (const task of tasks) row.insertBefore(this.cell(scores[task.index]), before);
      }
      body.append(...rows);
      this.start();
    }

    addHead(task) {
      const head = document.createElement("th");
      head.scope = "col";
      head.className = "n g-task";
      head.dataset.key = "task-" + task.name;
      head.textContent = task.shown;
      const row = this.table.tHead.rows[0];
      row.insertBefore(head, row.querySelector(".g-types"));
    }

    cell(score) {
      const cell = document.createElement("td");
      cell.className = "n g-task";
      cell.dataset.order = score ?? "";
      cell.textContent = score === null ? "–" : (100 * score).toFixed(2);
      return cell;
    }
  }

  // ---- Links within the page must not replace what the address remembers -------------------

  function keepAddress(event) {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || link.hash.includes("=")) return;
    const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (!target) return;
    event.preventDefault();
    if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
    target.focus();
    target.scrollIntoView();
  }

  document.addEventListener("DOMContentLoaded", () => {
    setUpTypes();
    const tables = [...document.querySelectorAll("table.sortable")].map((one) => new SortedTable(one));
    const restore = () => tables.forEach((table) => table.restore());
    restore();
    document.addEventListener("click", keepAddress);
    window.addEventListener("popstate", restore);
    document.documentElement.dataset.ready = "";
  });
})();
