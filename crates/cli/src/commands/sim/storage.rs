//! A campaign's record in a file: replaced as a whole, so that it is always one that can be
//! gone on with.

use crate::failure::{Done, Failure};
use serde::de::DeserializeOwned;
use std::{fs, io::ErrorKind, io::Write as _, path::Path};
use tempfile::NamedTempFile;
use trustmesh_sim::campaign::{Asked, Record};

/// A value from a file of JSON.
pub fn read<T: DeserializeOwned>(path: &Path) -> Done<T> {
    let text = fs::read_to_string(path).map_err(|e| Failure::unreadable(path, &e))?;
    serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("{} is not what it should be: {e}", path.display())))
}

/// The record of a campaign, a new one when the file is not there yet.
pub fn load(path: &Path, asked: &Asked) -> Done<Record> {
    match fs::exists(path) {
        Ok(false) => return Ok(Record::new(asked.clone())),
        Ok(true) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Record::new(asked.clone())),
        Err(error) => return Err(Failure::unreadable(path, &error)),
    }
    let mut record: Record = read(path)?;
    if let Some(why) = record.misfit(asked) {
        return Err(Failure::usage(format!("can't go on with {}: {why}", path.display()))
            .advise("name another file, or ask for what it was begun with"));
    }
    record.asked.seeds = asked.seeds;
    Ok(record)
}

/// Keeps a record.
pub fn save(path: &Path, record: &Record) -> Done {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let text = serde_json::to_string_pretty(record)
        .map_err(|e| Failure::failed(format!("the record is no JSON: {e}")))?;
    let write = || {
        let mut file = NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(|error| Failure::unwritable(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_goes_on_from_its_file_and_from_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("campaign.json");
        let asked =
            Asked { scenario: None, nodes: Some(4), byzantine: None, first_seed: 5, seeds: 9 };
        let mut record = load(&path, &asked).unwrap();
        record.done_below = 8;
        save(&path, &record).unwrap();
        assert_eq!(load(&path, &asked).unwrap(), record);
        let more = Asked { seeds: 20, ..asked.clone() };
        assert_eq!(load(&path, &more).unwrap().open().count(), 17);
        let other = Asked { nodes: Some(7), ..asked };
        assert!(load(&path, &other).is_err());
    }
}
