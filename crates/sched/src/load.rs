//! A node's load and its selection weight (eq. 11 and 12). Both are plain numbers: load is
//! 0 (idle) to 1 (full), weight 10 (idle) to 0.91 (full).

use trustmesh_types::resources::Resources;

/// Added to the load in eq. 12, so that an idle node's weight is finite.
pub const LOAD_FLOOR: f64 = 0.1;

/// Share of `total` that is used; a node that has nothing is full.
fn used_share(available: u64, total: u64) -> f64 {
    if total == 0 {
        return 1.0;
    }
    total.saturating_sub(available) as f64 / total as f64
}

/// load(n) = ½ · used cpu share + ½ · used memory share (eq. 11).
#[must_use]
pub fn load(available: &Resources, capacity: &Resources) -> f64 {
    0.5 * used_share(available.cpu_millis, capacity.cpu_millis)
        + 0.5 * used_share(available.memory_bytes, capacity.memory_bytes)
}

/// w = 1 / (load + 0.1) (eq. 12).
#[must_use]
pub fn weight(load: f64) -> f64 {
    1.0 / (load + LOAD_FLOOR)
}
