//! Compiled modules by digest, bounded by the bytes of their machine code; the least recently
//! used goes first. A call in progress keeps its module alive whatever the cache does.

use super::sandbox::Compiled;
use std::collections::BTreeMap;
use trustmesh_types::Digest;

pub(crate) struct ModuleCache {
    modules: BTreeMap<Digest, Entry>,
    bytes: usize,
    bytes_max: usize,
    /// Counts uses; a module's last one orders it for removal.
    uses: u64,
}

struct Entry {
    compiled: Compiled,
    last_use: u64,
}

impl ModuleCache {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { modules: BTreeMap::new(), bytes: 0, bytes_max, uses: 0 }
    }

    pub(crate) fn contains(&self, module: &Digest) -> bool {
        self.modules.contains_key(module)
    }

    pub(crate) fn get(&mut self, module: &Digest) -> Option<Compiled> {
        let entry = self.modules.get_mut(module)?;
        self.uses += 1;
        entry.last_use = self.uses;
        Some(entry.compiled.clone())
    }

    /// Keeps a module that fits the cache on its own, removing others as needed.
    pub(crate) fn insert(&mut self, module: Digest, compiled: Compiled) {
        self.uses += 1;
        self.bytes += compiled.code_bytes;
        let entry = Entry { compiled, last_use: self.uses };
        if let Some(old) = self.modules.insert(module, entry) {
            self.bytes -= old.compiled.code_bytes;
        }
        while self.bytes > self.bytes_max && self.modules.len() > 1 {
            let oldest = self.modules.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some(digest) = oldest.map(|(digest, _)| *digest) else { break };
            if let Some(entry) = self.modules.remove(&digest) {
                self.bytes -= entry.compiled.code_bytes;
            }
        }
    }
}
