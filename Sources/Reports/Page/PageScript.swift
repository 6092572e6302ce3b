/// What the page does when a reader acts: it sorts tables; all else works without it.
enum PageScript {
    /// The script.
    static let text = """
        "use strict";
        function keyOf(row, column) {
          const cell = row.cells[column];
          const number = cell.dataset.order === undefined ? NaN : Number(cell.dataset.order);
          return { number, text: cell.textContent };
        }
        function compare(a, b) {
          if (!Number.isNaN(a.number) && !Number.isNaN(b.number)) return a.number - b.number;
          if (Number.isNaN(a.number) !== Number.isNaN(b.number)) return Number.isNaN(a.number) ? 1 : -1;
          return a.text.localeCompare(b.text, undefined, { numeric: true });
        }
        for (const button of document.querySelectorAll("table.sortable thead button")) {
          button.addEventListener("click", () => {
            const head = button.parentElement;
            const falls = head.getAttribute("aria-sort") === "ascending";
            for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
            head.setAttribute("aria-sort", falls ? "descending" : "ascending");
            const body = head.closest("table").tBodies[0];
            const rows = Array.from(body.rows, row => ({ row, key: keyOf(row, head.cellIndex) }));
            rows.sort((a, b) => falls ? compare(b.key, a.key) : compare(a.key, b.key));
            body.append(...rows.map(entry => entry.row));
          });
        }
        """
}
