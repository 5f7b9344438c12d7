//! Reading, writing and reading again.

use crate::memory::bounded;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, fmt::Debug};
use trustmesh_types::codec;

/// Reads borsh; what reads must be the one encoding of its value.
///
/// # Panics
/// When it is not.
pub fn exact<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    let what = type_name::<T>();
    let read = || codec::decode::<T>(what, bytes, bytes.len());
    let value = bounded(what, bytes.len(), read).ok()?;
    assert_eq!(codec::encode(&value), bytes, "{what} has a second encoding");
    Some(value)
}

/// [`exact`] for a table of decoders.
pub fn check_exact<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) {
    drop(exact::<T>(bytes));
}

/// Reads JSON; what is written of it must read as the same value.
///
/// # Panics
/// When it does not.
pub fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let what = type_name::<T>();
    let read = || serde_json::from_slice::<T>(bytes);
    let value = bounded(what, bytes.len(), read).ok()?;
    let written = serde_json::to_vec(&value).unwrap_or_else(|e| panic!("{what}: {e}"));
    let again = serde_json::from_slice::<T>(&written);
    let again = again.unwrap_or_else(|e| panic!("{what} does not read what it wrote: {e}"));
    assert_eq!(again, value, "{what} reads as another value");
    Some(value)
}

/// [`json`] for a table of decoders.
pub fn check_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    drop(json::<T>(bytes));
}

/// Reads JSON that may hold numbers with fractions, whose last digit may differ when they are
/// written and read: only that it reads again is asked.
///
/// # Panics
/// When it does not.
pub fn check_json_loosely<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let what = type_name::<T>();
    let read = || serde_json::from_slice::<T>(bytes);
    let Ok(value) = bounded(what, bytes.len(), read) else { return };
    let written = serde_json::to_vec(&value).unwrap_or_else(|e| panic!("{what}: {e}"));
    let again = serde_json::from_slice::<T>(&written);
    again.map(drop).unwrap_or_else(|e| panic!("{what} does not read what it wrote: {e}"));
}

/// Reads the query of a request line as the server does; what is written must read the same.
///
/// # Panics
/// When it does not.
pub fn check_query<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let what = type_name::<T>();
    let read = || serde_urlencoded::from_bytes::<T>(bytes);
    let Ok(value) = bounded(what, bytes.len(), read) else { return };
    let written = serde_urlencoded::to_string(&value).unwrap_or_else(|e| panic!("{what}: {e}"));
    let again = serde_urlencoded::from_str::<T>(&written);
    assert_eq!(again.ok(), Some(value), "{what} reads as another value");
}
