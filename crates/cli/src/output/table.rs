//! Tables for people: columns by blanks, no lines, so that `awk` and `grep` work on them.

use comfy_table::presets;

/// A table that is being filled.
pub struct Table {
    inner: comfy_table::Table,
    rows: usize,
    empty: &'static str,
}

impl Table {
    /// A table with these column names; `empty` is shown when it stays without rows.
    pub fn new(columns: &[&str], empty: &'static str) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        inner.set_header(columns.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
        Self { inner, rows: 0, empty }
    }

    /// A table of names and values, one pair a line.
    pub fn pairs<N: Into<String>>(pairs: impl IntoIterator<Item = (N, String)>) -> String {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        for (name, value) in pairs {
            inner.add_row(vec![name.into(), value]);
        }
        left(&inner)
    }

    /// Adds a row.
    pub fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.inner.add_row(cells.into_iter().collect::<Vec<_>>());
        self.rows += 1;
    }

    /// The table as text.
    pub fn text(&self) -> String {
        if self.rows == 0 { self.empty.to_owned() } else { left(&self.inner) }
    }
}

/// Without the blank that each cell is padded with on its left, and none at a line's end.
fn left(table: &comfy_table::Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_plain_columns() {
        let mut table = Table::new(&["name", "size"], "nothing");
        assert_eq!(table.text(), "nothing");
        table.row(["a".to_owned(), "1".to_owned()]);
        let text = table.text();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [["NAME", "SIZE"], ["a", "1"]]);
        assert!(text.starts_with("NAME") && !text.contains('|'));
    }
}
