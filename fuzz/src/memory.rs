//! What decoding may allocate: [`FLAT_BYTES`] and [`BYTES_PER_BYTE`] for each byte read.
//!
//! The process's allocator counts what is held. libFuzzer's own limit (`-malloc_limit_mb`)
//! sees single allocations only, and none without a sanitizer. Units: bytes.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Allowed whatever the length: borsh takes up to a MiB for a list of bytes before it reads it.
pub const FLAT_BYTES: usize = 2 * 1024 * 1024;
/// Allowed for each byte of the input: a byte of text may become an element of a list, which
/// doubles as it grows.
pub const BYTES_PER_BYTE: usize = 512;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn add(bytes: usize) {
    MOST.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it is; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Does `work` on `input_bytes` of input, in one thread, within the bound.
///
/// # Panics
/// When it takes more.
pub fn bounded<T>(what: &str, input_bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let done = work();
    let took = MOST.load(Relaxed).saturating_sub(before);
    let bound = FLAT_BYTES + BYTES_PER_BYTE * input_bytes;
    assert!(took <= bound, "{what}: {took} bytes for an input of {input_bytes}, over {bound}");
    done
}
