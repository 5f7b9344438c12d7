//! What the fuzz targets do with their bytes, a module per surface (docs/fuzzing.md).
//!
//! The first byte of an input chooses the decoder, the others are what it reads. Invariants
//! that every module checks: nothing that is read panics or allocates beyond [`memory`]'s
//! bound; a value that was read and is written again reads as the same value, and where the
//! encoding is to be unique (borsh), writes the same bytes.

pub mod definitions;
pub mod disk;
pub mod http;
pub mod memory;
pub mod node;
pub mod policy;
pub mod same;
pub mod samples;
pub mod store;
pub mod wire;

/// A decoder by its name.
pub type Decoder = (&'static str, fn(&[u8]));

/// Gives the bytes to the decoder that the first of them chooses.
fn choose(decoders: &[Decoder], data: &[u8]) {
    if let Some((kind, bytes)) = data.split_first()
        && let Some((_, decode)) = decoders.get(usize::from(*kind) % decoders.len())
    {
        decode(bytes);
    }
}

/// An input for the decoder of that name.
///
/// # Panics
/// When there is none: the list and the samples disagree.
#[must_use]
pub fn input(decoders: &[Decoder], name: &str, bytes: &[u8]) -> Vec<u8> {
    let place = decoders.iter().position(|(known, _)| *known == name);
    let kind = place.and_then(|at| u8::try_from(at).ok());
    let kind = kind.unwrap_or_else(|| panic!("there is no decoder {name}"));
    [&[kind], bytes].concat()
}
