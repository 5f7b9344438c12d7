//! Up to where blocks may go. All by whole files of the archive, which are named by the height
//! that they begin with.

use crate::config::Retention;
use std::{collections::BTreeMap, path::Path};

/// Bytes of the archive's files, by the height that each begins with. Files that come or go
/// meanwhile, or can't be read, count as not there: the next look finds them.
pub(super) fn sections(directory: &Path) -> BTreeMap<u64, u64> {
    let Ok(entries) = std::fs::read_dir(directory) else { return BTreeMap::new() };
    let section = |entry: std::fs::DirEntry| {
        let height = u64::from_str_radix(entry.file_name().to_str()?, 16).ok()?;
        Some((height, entry.metadata().ok()?.len()))
    };
    entries.filter_map(|entry| section(entry.ok()?)).collect()
}

/// The height below which blocks are too many or too large; 0 when they are not.
pub(super) fn below(retention: &Retention, height: u64, sections: &BTreeMap<u64, u64>) -> u64 {
    let by_count = height.saturating_sub(retention.blocks_max);
    let mut bytes: u64 = 0;
    let within = |(_, length): &(&u64, &u64)| {
        bytes = bytes.saturating_add(**length);
        bytes <= retention.blocks_max_bytes
    };
    let kept = sections.iter().rev().take_while(within).last();
    let oldest_kept = kept.map(|(start, _)| *start);
    let by_bytes = oldest_kept.or_else(|| sections.keys().next_back().copied()).unwrap_or(0);
    by_count.max(by_bytes).min(keep_from(retention, height))
}

/// Starts of sections whose age is to be looked at, oldest first: when a section begins past the
/// age, all before it is older.
pub(super) fn by_age<'a>(
    retention: &Retention,
    height: u64,
    sections: &'a BTreeMap<u64, u64>,
) -> impl Iterator<Item = u64> + 'a {
    let last = keep_from(retention, height);
    sections.keys().copied().skip(1).take_while(move |start| *start <= last)
}

/// Blocks from here on stay whatever the bounds say.
fn keep_from(retention: &Retention, height: u64) -> u64 {
    height.saturating_add(1).saturating_sub(retention.blocks_min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention() -> Retention {
        Retention {
            blocks_max: 10_000,
            blocks_max_bytes: 30,
            blocks_min: 2_000,
            ..Retention::default()
        }
    }

    fn files(count: u64) -> BTreeMap<u64, u64> {
        (0..count).map(|n| (n * 1_000, 10)).collect()
    }

    #[test]
    fn blocks_go_when_they_are_too_many_or_too_large_but_the_newest_stay() {
        let small = Retention { blocks_max_bytes: u64::MAX, ..retention() };
        let table = [
            ("nothing is there", retention(), 0, 0, 0),
            ("few and small", retention(), 2_999, 3, 0),
            ("too large: the newest three files stay", retention(), 5_999, 6, 3_000),
            ("too large, but peers need them", retention(), 3_999, 4, 1_000),
            ("too many", small, 15_000, 16, 5_000),
            (
                "one file alone is too large",
                Retention { blocks_max_bytes: 1, ..small },
                5_999,
                6,
                4_000,
            ),
            ("bounds under what peers need", Retention { blocks_max: 1, ..small }, 5_999, 6, 4_000),
        ];
        for (what, retention, height, count, expected) in table {
            assert_eq!(below(&retention, height, &files(count)), expected, "{what}");
        }
    }

    #[test]
    fn ages_are_looked_at_only_where_blocks_may_go() {
        let files = files(6);
        let starts: Vec<u64> = by_age(&retention(), 5_999, &files).collect();
        assert_eq!(starts, [1_000, 2_000, 3_000, 4_000]);
        assert_eq!(by_age(&retention(), 100, &files).count(), 0);
    }

    #[test]
    fn sections_are_read_from_the_archives_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("0000000000000400"), [0; 7]).unwrap();
        std::fs::write(folder.path().join("lost+found"), [0; 9]).unwrap();
        assert_eq!(sections(folder.path()), BTreeMap::from([(1_024, 7)]));
        assert!(sections(&folder.path().join("none")).is_empty());
    }
}
