//! Keeps blobs and documents in one durable file.
